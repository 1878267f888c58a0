//! `lamcat schedule run`.

use std::{
    collections::BTreeMap,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use datafusion::common::runtime::SpawnedTask;
use lamcat_catalogue::pipeline::schedule::{
    Clock, Ending, Entry, Event, EventListener, Scheduled, ScheduledPipeline, Scheduler,
};
use lamcat_sql::session::{Session, SessionOptions};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    super::{numbers, override_args::OverrideArgs, signals, stdout::out},
    health::{Address, Health},
    line, seconds,
    status::Status,
};

#[derive(Debug, Args)]
#[command(after_help = "\
A due time is run as `lamcat run` does, one pipeline at a time; its end is a line on stdout, with --json a
JSON object. What is changed in a pipeline file counts from the next due time on. A run that fails is
recorded and due again at the next time; the scheduler goes on.

Ctrl-C or SIGTERM end it: what is done is kept, and the next scheduler goes on from there. Killed, it loses
nothing either: what it began is taken up, at once on the same machine, elsewhere after a minute.

--once is for CronJobs and timers, which may well come more often than the pipeline is due. Its exit code is
1 if a run failed. The first time it runs what was due within --grace, after that everything since the last
time by the pipeline's misfire policy; --now says what time it is in place of the clock.

--health serves GET /healthz for monitors: 200, or 503 if the last run failed, a pipeline or its store cannot
be read, or what is due is not begun; with JSON of the next due times, the run and how far it is, and the last
outcome. GET /livez is for liveness probes, which restart what does not answer well: 200 as long as the process
serves its schedules, also after a run that failed, which a restart does not mend. GET /metrics has the state
for Prometheus. An address that others reach must be given as such.

Examples:
  lamcat schedule run pipelines/*.toml --store s3://bucket/catalogues --health 8090
  lamcat schedule run pipelines/giants.toml --once
  lamcat schedule run pipelines/giants.toml --once --now 2026-12-02T03:00:00Z
  lamcat schedule run pipelines/giants.toml --health 0.0.0.0:8090 --json")]
pub(in super::super) struct RunArgs {
    /// Pipeline files, each of another catalogue and with a [schedule].
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Run what is due now, and end.
    #[arg(long)]
    once: bool,
    /// As if it were this time, e.g. 2026-12-02T03:00:00Z; what is due later is due after it.
    #[arg(long, value_name = "TIME", requires = "once", value_parser = numbers::time)]
    now: Option<DateTime<Utc>>,
    /// How late a run may begin and not be missed, where missed runs are skipped, e.g. 10m.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = numbers::duration)]
    grace: Duration,
    /// Serve the state to monitors, on this port of this machine alone, or at an address such as 0.0.0.0:8090.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
    health: Option<Address>,
    /// A JSON object for each due time that ended.
    #[arg(long)]
    json: bool,
}

/// Time for leases to be released after a signal; containers are killed after ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let session = Session::new(&SessionOptions::default())?;
    let overrides = args.overrides.overrides();
    let mut pipelines = Vec::new();
    let mut stores: BTreeMap<String, &PathBuf> = BTreeMap::new();
    let status = Arc::new(Status::default());
    for file in &args.files {
        let pipeline = ScheduledPipeline::open(session.clone(), file.clone(), overrides.clone())?;
        let storage = pipeline.schedule()?.storage;
        if let Some(other) = stores.insert(storage.shown(""), file) {
            bail!("{} and {} are of the same catalogue", other.display(), file.display());
        }
        let last = match Entry::last(&storage, 1).await {
            Ok(mut entries) => entries.pop(),
            // The store may be unavailable at present; the scheduler reports that itself.
            Err(_) if !args.once => None,
            Err(e) => return Err(e.into()),
        };
        status.add(pipeline.name(), last);
        pipelines.push(pipeline);
    }
    let health = match &args.health {
        Some(address) => Some(Health::serve(address, status.clone())?),
        None => None,
    };
    if let Some(health) = &health {
        eprintln!("health: http://{}/healthz", health.address);
    }
    let printer = Arc::new(EventPrinter { status, json: args.json, ..EventPrinter::default() });
    let listener: EventListener = {
        let printer = printer.clone();
        Arc::new(move |catalogue, event| printer.print(catalogue, event))
    };
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let _taken = signals::ends_by_itself(PATIENCE);
    let _signals = SpawnedTask::spawn(async move {
        signals::ended().await;
        stopping.cancel();
    });
    let grace = TimeDelta::from_std(args.grace).context("--grace is too long")?;
    let scheduler = Scheduler::new(pipelines, clock(args.now), grace, listener);
    if !args.once {
        scheduler.serve(&stop).await;
        eprintln!("stopped; what is done is kept");
        return Ok(());
    }
    if !scheduler.once(&stop).await? {
        signals::obeyed();
        bail!("stopped; what is done is kept\nhint: the next scheduler goes on from here");
    }
    match printer.failed.load(Ordering::Relaxed) {
        0 => Ok(()),
        1 => bail!("a run failed\nhint: it is due again at the next time; `lamcat run` tries it at once"),
        n => bail!("{n} runs failed\nhint: they are due again at the next time; `lamcat run` tries them at once"),
    }
}

/// A clock that behaves as if it had been set to `start` now.
fn clock(start: Option<DateTime<Utc>>) -> Clock {
    let ahead = start.map_or(TimeDelta::zero(), |start| start - Utc::now());
    match start {
        Some(start) => Arc::new(move || start.max(Utc::now() + ahead)),
        None => Arc::new(Utc::now),
    }
}

/// Prints the events of pipelines, and forwards them to the status.
#[derive(Default)]
struct EventPrinter {
    status: Arc<Status>,
    json: bool,
    failed: AtomicUsize,
    said: Mutex<BTreeMap<String, String>>,
}

impl EventPrinter {
    fn print(&self, name: &str, event: Event) {
        match &event {
            Event::Ended(ended) => {
                self.failed.fetch_add(usize::from(matches!(ended.ending, Ending::Failed { .. })), Ordering::Relaxed);
                let text = if self.json {
                    let mut value = json!(ended);
                    value["catalogue"] = name.into();
                    value.to_string()
                } else {
                    line(name, ended)
                };
                // If nobody reads the output any more, the store still has the history.
                let _ = writeln!(out(), "{text}");
                if let Ending::Failed { error, .. } = &ended.ending {
                    eprintln!("{name}: failed: {error}");
                }
            }
            Event::Begins { due, again: false } => eprintln!("{name}: what was due at {} begins", seconds(*due)),
            Event::Begins { due, again: true } => eprintln!("{name}: what was due at {} is taken up", seconds(*due)),
            Event::LeftOff => eprintln!("{name}: the run is left off"),
            Event::Retries(error) => eprintln!("{name}: tried again, as it failed: {error}"),
            Event::Held => self.say(name, "waits for another run".to_owned()),
            Event::Trouble(error) => self.say(name, format!("cannot be looked at: {error}")),
            Event::Waits(next) => {
                let next = next.map_or_else(|| "never".to_owned(), seconds);
                self.say(name, format!("next due at {next}"));
            }
            Event::Next(_) | Event::Stage { .. } | Event::Done { .. } => {}
        }
        self.status.note(name, event, Utc::now());
    }

    /// Prints a message unless it was the last one printed.
    fn say(&self, name: &str, text: String) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.get(name) != Some(&text) {
            eprintln!("{name}: {text}");
            said.insert(name.to_owned(), text);
        }
    }
}
