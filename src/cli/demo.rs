//! `lamcat demo`: all steps on the simulated sample.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use lamcat_core::outputs::write_whole;
use lamcat_sql::session::quoted_path;

use super::{display::Display, session_args::SessionArgs};

/// 1000 stars of `lamcat simulate` with positions on the sky, some without the spectrum of one band or of both.
pub(super) const STARS: &[u8] = include_bytes!("demo_stars.parquet");
/// The query of the demonstration.
const QUERY: &str = include_str!("../../sql/demo.sql");

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Folder for the sample and the catalogue.
    #[arg(long, default_value = "lamcat-demo", value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    session: SessionArgs,
}

pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let session = args.session.open().await?;
    std::fs::create_dir_all(&args.dir).with_context(|| format!("cannot make {}", args.dir.display()))?;
    let stars = args.dir.join("stars.parquet");
    let catalogue = args.dir.join("catalogue.parquet");
    write_whole(&stars, STARS)?;
    eprintln!("simulated sample: {}\n", stars.display());
    eprintln!("{}", QUERY.trim());
    let display = Display { format: None, max_rows: 10, quiet: false };
    let location = |path: &Path| quoted_path(&path.display().to_string());
    let setup = format!("CREATE EXTERNAL TABLE stars STORED AS PARQUET LOCATION {}", location(&stars));
    session.sql(&setup).await?.collect().await?;
    for query in session.parse(QUERY)? {
        display.write_to(&session, query, &catalogue.display().to_string()).await?;
    }
    let display = Display { quiet: true, ..display };
    for statement in session.parse(&format!("SELECT * FROM {}", location(&catalogue)))? {
        display.show(&session, statement).await?;
    }
    Ok(())
}
