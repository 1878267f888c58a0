//! `lamcat run`: makes a published release from a pipeline.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use clap::Args;
use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use lamcat_catalogue::pipeline::{Outcome, Pending, Pipeline, Run, Stage, StageTime, Watch};

use super::{override_args::OverrideArgs, signals, stdout::out};

#[derive(Debug, Args)]
#[command(
    after_help = "A run that ends early loses nothing: the same command goes on where it was, and two at once share \
                        the work. The release becomes the current one in one step, after everything is written."
)]
pub(super) struct RunArgs {
    /// The pipeline file (see `lamcat pipeline --help`).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    overrides: OverrideArgs,
    /// Says what there is to do and how long it will take, and does nothing.
    #[arg(long)]
    dry_run: bool,
    /// Publishes the release even if it fails the pipeline's gates.
    #[arg(long)]
    accept: bool,
    /// The result for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: RunArgs) -> anyhow::Result<()> {
    let pipeline = Pipeline::load(&args.file, &args.overrides.overrides())?;
    let run = Run::open(pipeline, None).await?.accepting(args.accept);
    if args.dry_run {
        return show_estimate(&run, args.json).await;
    }
    let started = Instant::now();
    let storage = run.storage().clone();
    let progress = RunProgress { quiet: args.json, ..RunProgress::default() };
    let outcome = tokio::select! {
        outcome = run.execute(&progress) => outcome,
        _ = signals::ended() => {
            progress.clear();
            bail!("stopped; what is done is kept\nhint: the same command goes on from here")
        }
    };
    progress.clear();
    let outcome = outcome?;
    if args.json {
        writeln!(out(), "{}", serde_json::to_string(&outcome)?)?;
    } else {
        report(&outcome, &storage.shown(&outcome.release.folder), started.elapsed())?;
    }
    Ok(())
}

fn report(outcome: &Outcome, folder: &str, took: Duration) -> anyhow::Result<()> {
    let (rows, tiles) = (outcome.rows, outcome.tiles);
    let (here, elsewhere) = (outcome.units_here, outcome.units_elsewhere);
    eprintln!("{here} units worked here, {elsewhere} earlier or elsewhere, in {}", HumanDuration(took));
    for stage in &outcome.stages {
        eprintln!("{}", in_words(stage));
    }
    for failed in &outcome.failed_gates {
        eprintln!("accepted though it fails a gate: {failed}");
    }
    let release = &outcome.release;
    eprintln!("published {} {}: {rows} rows in {tiles} tiles", release.name, release.version);
    if let Some(page) = &outcome.report {
        eprintln!("report: {page}");
    }
    Ok(writeln!(out(), "{folder}")?)
}

/// A line about a finished stage.
fn in_words(stage: &StageTime) -> String {
    let (name, seconds, rows) = (stage.stage.name(), stage.seconds, stage.rows);
    let rate = rows as f64 / seconds.max(1e-3);
    format!("{name:<8} {seconds:>8.1} s {rows:>10} rows {rate:>8.0} rows/s")
}

async fn show_estimate(run: &Run, json: bool) -> anyhow::Result<()> {
    let estimate = run.estimate().await?;
    let mut out = out();
    if json {
        return Ok(writeln!(out, "{}", serde_json::to_string(&estimate)?)?);
    }
    let catalogue = run.job().catalogue();
    writeln!(out, "{} {}: job {}", catalogue.name, catalogue.version, run.job().id)?;
    let bytes = HumanBytes(estimate.bytes);
    let rows = estimate.rows.map_or_else(|| "an unknown number of".to_owned(), |rows| rows.to_string());
    writeln!(out, "input: {rows} rows, {bytes}, in {} units, of which {} are done", estimate.units, estimate.done)?;
    if estimate.damaged > 0 {
        let (n, files) = (estimate.damaged, if estimate.damaged == 1 { "unit" } else { "units" });
        writeln!(out, "{n} {files} more had been done, but what was written is gone or damaged: done again")?;
    }
    if let (Some(rate), Some(seconds)) = (estimate.rows_per_second, estimate.seconds) {
        let time = HumanDuration(Duration::from_secs_f64(seconds));
        writeln!(out, "{rate:.0} rows/s of the input here: {time} for what is left")?;
    }
    let todo = match estimate.pending {
        Pending::Nothing => "is the current one: nothing to do",
        Pending::Publish => "is finished: to be verified and published",
        Pending::Work => "to be made, verified and published",
    };
    Ok(writeln!(out, "release: {} {todo}", run.storage().shown(&run.job().release_folder()))?)
}

/// Shows a bar for each stage, or a line for each stage if there is no terminal, unless the result is for programs.
#[derive(Default)]
struct RunProgress {
    quiet: bool,
    bar: Mutex<Option<ProgressBar>>,
    tasks: AtomicU64,
    done: AtomicU64,
}

impl RunProgress {
    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for RunProgress {
    fn begin(&self, stage: Stage, tasks: usize, rows: u64) {
        self.clear();
        let name = format!("{:<8}", stage.name());
        self.tasks.store(tasks as u64, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        let bar = ProgressBar::new(rows);
        let template = if rows > 0 {
            "{prefix} {wide_bar} {pos}/{len} rows, {per_sec}, eta {eta}, {msg}"
        } else {
            "{prefix} {spinner} {elapsed} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.clone());
        bar.enable_steady_tick(Duration::from_millis(250));
        if bar.is_hidden() && !self.quiet {
            let of_rows = if rows > 0 { format!(", {rows} rows") } else { String::new() };
            eprintln!("{name} {tasks} {}{of_rows}", if tasks == 1 { "task" } else { "tasks" });
        }
        *self.bar() = Some(bar);
    }

    fn done(&self, rows: u64, _here: bool) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(bar) = self.bar().as_ref() {
            bar.inc(rows);
            bar.set_message(format!("{done}/{}", self.tasks.load(Ordering::Relaxed)));
        }
    }
}
