//! `lamcat release`: commands for the finished releases of a catalogue.

mod diff;
mod garbage;
mod report;
mod show;

use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};
use indicatif::HumanBytes;
use lamcat_release::{
    Storage, paths,
    releases::{self, Release},
    verify::{Report, verify},
};
use lamcat_sql::session::{Session, SessionOptions};

use super::{
    stdout::out,
    text_table::{Cell, text_table},
};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
STORE is the folder or URL of a catalogue: the pipeline's store and the catalogue's name, where LATEST is. RELEASE is a
version, as 1.0.0, or the name of a release's folder where a version was made more than once.

Examples:
  lamcat release list catalogues/giants
  lamcat release verify catalogues/giants
  lamcat release diff catalogues/giants 1.0.0 1.1.0
  lamcat release rollback catalogues/giants")]
pub(super) enum ReleaseCommand {
    /// Read every row of a release and recompute what can be; the exit code is 1 if anything is wrong.
    Verify(ReleaseArgs),
    /// List the releases: version, rows, size, when each was published, which is current.
    List(StoreArgs),
    /// Show a release: what it was made of, its columns, and the path to open.
    Show(ReleaseArgs),
    /// Make an older release the current one again.
    Rollback(RollbackArgs),
    /// Compare two releases: rows gained and lost, shifts of columns, flags.
    Diff(diff::DiffArgs),
    /// Make the page on a release again: sky, diagrams, histograms, errors, flags, changes, throughput.
    Report(report::ReportArgs),
    /// Find and delete what nothing needs: rows of attempts and units, leases, half uploads.
    Gc(garbage::GcArgs),
}

#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Folder or URL of the catalogue.
    #[arg(value_name = "STORE")]
    store: String,
    /// JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// Folder or URL of the catalogue, or of one release.
    #[arg(value_name = "STORE")]
    store: String,
    /// Version or folder of the release [default: the current one].
    #[arg(value_name = "RELEASE")]
    release: Option<String>,
    /// JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RollbackArgs {
    /// Folder or URL of the catalogue.
    #[arg(value_name = "STORE")]
    store: String,
    /// Version or folder of the release [default: the one that was current before].
    #[arg(value_name = "RELEASE")]
    release: Option<String>,
    /// JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ReleaseCommand) -> anyhow::Result<()> {
    match command {
        ReleaseCommand::Verify(args) => verify_release(&args).await,
        ReleaseCommand::List(args) => list(&args).await,
        ReleaseCommand::Show(args) => show::run(&args).await,
        ReleaseCommand::Rollback(args) => roll_back(&args).await,
        ReleaseCommand::Diff(args) => diff::run(args).await,
        ReleaseCommand::Report(args) => report::run(args).await,
        ReleaseCommand::Gc(args) => garbage::run(args).await,
    }
}

/// Opens the store of a catalogue.
fn open(store: &str) -> anyhow::Result<Storage> {
    Ok(Session::new(&SessionOptions::default())?.storage(store)?)
}

impl ReleaseArgs {
    /// The storage and the folder in it, for a release in a catalogue's store or for a release by itself.
    async fn open(&self) -> anyhow::Result<(Storage, String)> {
        let storage = open(&self.store)?;
        if storage.exists(paths::MANIFEST).await? {
            return match &self.release {
                None => Ok((storage, String::new())),
                Some(_) => bail!("{} is a release itself\nhint: leave out RELEASE", self.store),
            };
        }
        let folder = releases::find(&storage, self.release.as_deref()).await?.folder;
        Ok((storage, folder))
    }
}

async fn verify_release(args: &ReleaseArgs) -> anyhow::Result<()> {
    let (storage, folder) = args.open().await?;
    let report = verify(&storage, &folder).await?;
    if args.json {
        writeln!(out(), "{:#}", serde_json::to_value(&report)?)?;
    } else {
        write!(out(), "{}", in_words(&report, storage.shown(&folder).trim_end_matches('/')))?;
    }
    match report.faults.len() {
        0 => Ok(()),
        faults => bail!(
            "the release has {}\nhint: do not use it; `lamcat release rollback` makes the one before current again",
            plural(faults, "fault")
        ),
    }
}

fn in_words(report: &Report, folder: &str) -> String {
    let rows = report.faults.iter().map(|fault| {
        let check = serde_json::to_value(fault.check).unwrap_or_default();
        [check.as_str().unwrap_or_default(), &fault.file, &fault.what].map(Cell::text).into()
    });
    let faults: Vec<Vec<Cell>> = rows.collect();
    let read = report.input_rows.map(|rows| format!(", made of {} of the input", plural(rows as usize, "row")));
    let first = format!(
        "{folder}\n{} in {}, {} in margins, {}{}: {}\n",
        plural(report.rows as usize, "row"),
        plural(report.leaves, "tile"),
        report.margin_rows,
        HumanBytes(report.bytes),
        read.unwrap_or_default(),
        if faults.is_empty() { "every check passed" } else { "not as it must be" }
    );
    if faults.is_empty() { first } else { first + "\n" + &text_table(&["check", "file", "fault"], &faults) }
}

fn plural(count: usize, name: &str) -> String {
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

async fn list(args: &StoreArgs) -> anyhow::Result<()> {
    let releases = releases::list(&open(&args.store)?).await?;
    if args.json {
        return Ok(writeln!(out(), "{:#}", serde_json::to_value(&releases)?)?);
    }
    let row = |release: &Release| {
        vec![
            Cell::text(if release.current { "*" } else { "" }),
            Cell::text(&release.version),
            Cell::number(release.rows),
            Cell::number(HumanBytes(release.bytes)),
            Cell::text(release.published.as_deref().unwrap_or("never")),
            Cell::text(&release.folder),
        ]
    };
    let rows: Vec<Vec<Cell>> = releases.iter().map(row).collect();
    let header = ["", "version", "rows", "size", "published", "folder"];
    Ok(write!(out(), "{}", text_table(&header, &rows))?)
}

async fn roll_back(args: &RollbackArgs) -> anyhow::Result<()> {
    let storage = open(&args.store)?;
    let current = releases::roll_back(&storage, args.release.as_deref()).await?;
    if args.json {
        return Ok(writeln!(out(), "{:#}", serde_json::to_value(&current)?)?);
    }
    eprintln!("{} {} is the current release again", current.name, current.version);
    Ok(writeln!(out(), "{}", storage.shown(&current.folder))?)
}
