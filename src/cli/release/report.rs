//! `lamcat release report`.

use std::{io::Write, path::PathBuf};

use clap::Args;
use lamcat_catalogue::pipeline::report;
use lamcat_core::outputs::write_whole;
use lamcat_release::releases;

use super::super::{session_args::LimitArgs, stdout::out};

#[derive(Debug, Args)]
#[command(after_help = "\
`lamcat run` makes the page too, as reports/RELEASE.html in the catalogue's store. It is one file that needs nothing else.
Every leaf is read once, and once more to be compared with the release that was current before. Units and tiles are shown
over time as long as the job's claims are there, which `lamcat release gc` deletes.

Examples:
  lamcat release report catalogues/giants
  lamcat release report catalogues/giants 1.1.0 -o giants.html")]
pub(in super::super) struct ReportArgs {
    /// Folder or URL of the catalogue.
    #[arg(value_name = "STORE")]
    store: String,
    /// Version or folder of the release [default: the current one].
    #[arg(value_name = "RELEASE")]
    release: Option<String>,
    /// Where the page is written [default: reports/RELEASE.html in the store].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) async fn run(args: ReportArgs) -> anyhow::Result<()> {
    let session = args.limits.open()?;
    let storage = session.storage(&args.store)?;
    let release = releases::find(&storage, args.release.as_deref()).await?;
    let Some(file) = args.output else {
        let page = report::rewrite(session.context(), &storage, &release.folder).await?;
        return Ok(writeln!(out(), "{page}")?);
    };
    let page = report::page(session.context(), &storage, &release.folder).await?;
    write_whole(&file, page)?;
    Ok(writeln!(out(), "{}", file.display())?)
}
