//! `lamcat schedule`: runs pipelines on their schedules.

mod health;
mod run;
mod status;

use std::{io::Write, path::PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args, Subcommand};
use lamcat_catalogue::pipeline::{
    Overrides, Pipeline,
    schedule::{Ended, Ending, Entry, Why},
};
use lamcat_core::schema::limits;
use lamcat_sql::session::{Location, Session, SessionOptions};
use serde_json::{Value, json};

use super::{
    numbers,
    stdout::out,
    text_table::{Cell, text_table},
};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
A pipeline file says when it runs:
  [schedule]
  cron = \"0 3 * * 1\"                # minute, hour, day of month, month, day of week: Mondays at 3:00
  time_zone = \"Europe/Berlin\"       # of these times [default: UTC]
  misfire = \"once\"                  # one run makes up for all that were missed; or \"skip\"
What became of every due time is written in the catalogue's store, and each has one outcome:
  published   a release was made and is the current one
  skipped     the inputs and the pipeline are those of the current release (unchanged), or of one that
              somebody rolled back (rolled_back): it is not published again by itself
  failed      the run failed, or the release failed its gates; the one before is still the current one
  missed      nothing ran then
Any number of schedulers can serve the same pipeline, on any machines: one runs it, and if it dies the
next one goes on where it was. A release of changed inputs has the version that the pipeline file says,
as with `lamcat run`; its folder, which ends in the job's identity, tells it from the others.

Examples:
  lamcat schedule next pipelines/giants.toml
  lamcat schedule run pipelines/giants.toml --health 8090
  lamcat schedule history pipelines/giants.toml")]
pub(super) enum ScheduleCommand {
    /// Wait for the due times of pipelines and run them; or run what is due now, with --once.
    Run(Box<run::RunArgs>),
    /// Print the next due times of pipelines.
    Next(NextArgs),
    /// Print what became of the due times of a pipeline.
    History(HistoryArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamcat schedule next pipelines/giants.toml -n 10
  lamcat schedule next pipelines/*.toml --from 2026-10-24T00:00:00Z --json")]
pub(super) struct NextArgs {
    /// Pipeline files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// So many of each.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 5, value_parser = numbers::within::<usize>(limits::LINES))]
    number: usize,
    /// Those after this time [default: now].
    #[arg(long, value_name = "TIME", value_parser = numbers::time)]
    from: Option<DateTime<Utc>>,
    /// A JSON array of an object for each file.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamcat schedule history pipelines/giants.toml
  lamcat schedule history pipelines/giants.toml -n 1 --json")]
pub(super) struct HistoryArgs {
    /// Pipeline file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The last so many due times.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = numbers::within::<usize>(limits::LINES))]
    number: usize,
    /// A JSON array of an object for each due time.
    #[arg(long)]
    json: bool,
    /// Folder or URL of the catalogue, where `lamcat schedule run` had this option.
    #[arg(long, value_name = "DIR")]
    store: Option<Location>,
}

pub(super) async fn run(command: ScheduleCommand) -> anyhow::Result<()> {
    match command {
        ScheduleCommand::Run(args) => run::run(*args).await,
        ScheduleCommand::Next(args) => next(&args),
        ScheduleCommand::History(args) => history(&args).await,
    }
}

fn next(args: &NextArgs) -> anyhow::Result<()> {
    let from = args.from.unwrap_or_else(Utc::now);
    let mut shown = Vec::new();
    let mut rows = Vec::new();
    for file in &args.files {
        let pipeline = Pipeline::load(file, &Overrides::default())?;
        let Some(schedule) = &pipeline.schedule else {
            bail!("{} has no [schedule]\nhint: see `lamcat schedule --help`", file.display())
        };
        let times: Vec<_> = schedule.all_after(from).take(args.number).collect();
        rows.extend(times.iter().map(|time| {
            let there = time.with_timezone(&schedule.time_zone).format("%a %Y-%m-%d %H:%M %Z");
            vec![Cell::text(seconds(*time)), Cell::text(there), Cell::text(&pipeline.name)]
        }));
        shown.push(json!({
            "file": file, "catalogue": pipeline.name, "cron": schedule.pattern(),
            "time_zone": schedule.time_zone.name(), "next": times.into_iter().map(seconds).collect::<Vec<_>>(),
        }));
    }
    if args.json {
        return Ok(writeln!(out(), "{:#}", json!(shown))?);
    }
    Ok(write!(out(), "{}", text_table(&["due", "there", "catalogue"], &rows))?)
}

async fn history(args: &HistoryArgs) -> anyhow::Result<()> {
    let overrides = Overrides { store: args.store.clone(), ..Overrides::default() };
    let pipeline = Pipeline::load(&args.file, &overrides)?;
    let storage = Session::new(&SessionOptions::default())?.storage(pipeline.root().exposed())?;
    let entries = Entry::last(&storage, args.number).await?;
    if args.json {
        let entries: Vec<Value> = entries.iter().map(entry_json).collect::<anyhow::Result<_>>()?;
        return Ok(writeln!(out(), "{:#}", json!(entries))?);
    }
    let rows = entries.iter().map(|entry| {
        let cells = match entry {
            Entry::Open(begun) => [seconds(begun.due), "begun".to_owned(), String::new(), String::new()],
            Entry::Ended(ended) => {
                let took = ended.begun.map(|begun| humantime::format_duration(took(begun, ended.ended)).to_string());
                [seconds(ended.due), outcome(&ended.ending).to_owned(), took.unwrap_or_default(), words(&ended.ending)]
            }
        };
        cells.map(Cell::text).into()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    Ok(write!(out(), "{}", text_table(&["due", "outcome", "took", ""], &rows))?)
}

fn entry_json(entry: &Entry) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(entry)?;
    if let Entry::Open(_) = entry {
        value.as_object_mut().context("an entry is an object")?.insert("outcome".to_owned(), "begun".into());
    }
    Ok(value)
}

fn took(begun: DateTime<Utc>, ended: DateTime<Utc>) -> std::time::Duration {
    (ended - begun).to_std().unwrap_or_default()
}

fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A line about the outcome of a due time.
fn line(catalogue: &str, ended: &Ended) -> String {
    let (outcome, words) = (outcome(&ended.ending), words(&ended.ending));
    format!("{}  {catalogue}  {outcome}  {words}", seconds(ended.due)).trim_end().to_owned()
}

fn outcome(ending: &Ending) -> &'static str {
    match ending {
        Ending::Published { .. } => "published",
        Ending::Skipped { .. } => "skipped",
        Ending::Failed { .. } => "failed",
        Ending::Missed => "missed",
    }
}

fn words(ending: &Ending) -> String {
    match ending {
        Ending::Published { release, rows, .. } => format!("{release}, {rows} rows"),
        Ending::Skipped { job, why: Why::Unchanged } => format!("job {job} is unchanged"),
        Ending::Skipped { job, why: Why::RolledBack } => format!("the release of job {job} was rolled back"),
        Ending::Skipped { job, why: Why::Superseded } => format!("a run that began after job {job} has published"),
        Ending::Failed { error, .. } => error.lines().next().unwrap_or_default().to_owned(),
        Ending::Missed => String::new(),
    }
}
