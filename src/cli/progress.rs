//! Shows progress on a terminal, and nothing elsewhere.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use datafusion::{common::runtime::SpawnedTask, physical_plan::ExecutionPlan};
use indicatif::{ProgressBar, ProgressStyle};
use lamcat_catalogue::ingest::Progress;
use lamcat_sql::planner::LamInferExec;
use lamcat_train::Report;

/// How often the line is redrawn.
const TICK: Duration = Duration::from_millis(250);
/// Work that is shorter than this shows no line.
const PATIENCE: Duration = Duration::from_millis(700);

/// Shows the progress of file conversion until it is dropped, as a bar over the bytes of the files.
pub(super) struct IngestProgress {
    bar: ProgressBar,
    files: Arc<Vec<Arc<Progress>>>,
    done: Arc<AtomicUsize>,
    _ticker: SpawnedTask<()>,
}

impl IngestProgress {
    /// Starts to show progress, for files of these sizes in bytes.
    pub(super) fn start(sizes: Vec<u64>) -> Self {
        let bar = ProgressBar::new(sizes.iter().sum());
        let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        let files: Arc<Vec<_>> = Arc::new(sizes.iter().map(|_| Arc::new(Progress::default())).collect());
        let done = Arc::new(AtomicUsize::new(0));
        let (shown, watched, finished) = (bar.clone(), files.clone(), done.clone());
        let ticker = SpawnedTask::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            loop {
                let bytes = watched.iter().zip(&sizes).map(|(file, size)| file.bytes().min(*size)).sum();
                let rows: u64 = watched.iter().map(|file| file.rows()).sum();
                let rate = rows as f64 / shown.elapsed().as_secs_f64().max(1e-3);
                let done = finished.load(Ordering::Relaxed);
                shown.set_position(bytes);
                shown.set_message(format!("file {done}/{}, {rows} rows, {rate:.0} rows/s", sizes.len()));
                tokio::time::sleep(TICK).await;
            }
        });
        Self { bar, files, done, _ticker: ticker }
    }

    /// The files' counters.
    pub(super) fn files(&self) -> &[Arc<Progress>] {
        &self.files
    }

    /// Counts one more file as done.
    pub(super) fn finish_file(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes a line to stderr above the bar.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for IngestProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Shows a query's progress, from the metrics of its operators, until it is dropped.
pub(super) struct QueryProgress {
    bar: ProgressBar,
    _ticker: SpawnedTask<()>,
}

impl QueryProgress {
    pub(super) fn start(plan: Arc<dyn ExecutionPlan>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let ticker = SpawnedTask::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            loop {
                shown.set_message(message(plan.as_ref(), shown.elapsed()));
                shown.tick();
                tokio::time::sleep(TICK).await;
            }
        });
        Self { bar, _ticker: ticker }
    }
}

impl Drop for QueryProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Number of ticks of the bar of a training run.
const TICKS: u64 = 10_000;

/// Shows the progress of training until it is dropped.
pub(super) struct TrainProgress {
    bar: ProgressBar,
    quiet: bool,
    started: Cell<bool>,
    last: Cell<Option<(f64, f64)>>,
}

impl TrainProgress {
    pub(super) fn start(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(TICKS) };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} % eta {eta} {msg}") {
            bar.set_style(style);
        }
        Self { bar, quiet, started: Cell::new(false), last: Cell::new(None) }
    }

    /// Shows a step, and one line for each line of `losses.csv`.
    pub(super) fn show(&self, report: &Report) {
        if self.quiet {
            return;
        }
        if !self.started.replace(true) {
            // Steps that an earlier part of the run did must not count towards the speed of this part.
            self.bar.set_position((report.spent * TICKS as f64) as u64);
            self.bar.reset_eta();
        }
        self.bar.set_position((report.spent * TICKS as f64) as u64);
        if let Some(record) = report.record {
            let validation = record.validation_loss.unwrap_or(f64::NAN);
            self.last.set(Some((validation, record.stars_per_second)));
            self.bar.suspend(|| {
                eprintln!(
                    "step {:>7}  epoch {:>4}  lr {:.2e}  loss {:>8.4}  validation {:>8.4}  {:.0} stars/s",
                    record.step,
                    record.epoch,
                    record.learning_rate,
                    record.train_loss,
                    validation,
                    record.stars_per_second
                );
            });
        }
        if let Some((validation, speed)) = self.last.get() {
            self.bar.set_message(format!(
                "step {}, loss {:.3}, validation {validation:.3}, {speed:.0} stars/s",
                report.step, report.loss
            ));
        }
    }
}

impl Drop for TrainProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Shows the progress of an evaluation until it is dropped.
pub(super) struct EvalProgress {
    bar: ProgressBar,
}

impl EvalProgress {
    /// Starts to show progress, for this amount of work.
    pub(super) fn start(quiet: bool, work: u64) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(work) };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} % eta {eta} {msg}") {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// Shows the amount of work done, and the current inputs.
    pub(super) fn show(&self, inputs: String, done: u64) {
        self.bar.set_message(inputs);
        self.bar.set_position(done);
    }
}

impl Drop for EvalProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Number of rows inferred so far by all inference operators of a plan.
pub(super) fn inferred_rows(plan: &dyn ExecutionPlan) -> usize {
    let mut rows = 0;
    visit(plan, &mut |exec| {
        let metric = exec.metrics().and_then(|m| m.sum_by_name("inferred_rows"));
        rows += metric.map_or(0, |v| v.as_usize());
    });
    rows
}

/// Labels of the untrained models that a plan runs, each once.
pub(super) fn untrained_models(plan: &dyn ExecutionPlan) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    visit(plan, &mut |exec| {
        if !exec.model().provenance().trained {
            labels.insert(exec.model().label());
        }
    });
    labels
}

fn visit(plan: &dyn ExecutionPlan, f: &mut impl FnMut(&LamInferExec)) {
    let any: &dyn std::any::Any = plan;
    if let Some(exec) = any.downcast_ref::<LamInferExec>() {
        f(exec);
    }
    for child in plan.children() {
        visit(child.as_ref(), f);
    }
}

fn message(plan: &dyn ExecutionPlan, elapsed: Duration) -> String {
    let rows = inferred_rows(plan);
    let rate = rows as f64 / elapsed.as_secs_f64().max(1e-3);
    format!("{rows} rows inferred, {rate:.0} rows/s")
}
