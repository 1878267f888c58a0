//! Progress on a terminal, nothing elsewhere.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use datafusion::physical_plan::ExecutionPlan;
use indicatif::{ProgressBar, ProgressStyle};

use crate::planner::LamInferExec;

/// How often the line is redrawn.
const TICK: Duration = Duration::from_millis(250);
/// Work shorter than this shows no line.
const PATIENCE: Duration = Duration::from_millis(700);

/// A bar over `total` things; hidden when stderr is no terminal.
pub(super) fn bar(total: u64, things: &str) -> ProgressBar {
    let style = format!("{{wide_bar}} {{pos}}/{{len}} {things} {{per_sec}} eta {{eta}}");
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(&style) {
        bar.set_style(style);
    }
    bar
}

/// Shows a query's progress from the operators' metrics until dropped.
pub(super) struct QueryProgress {
    bar: ProgressBar,
    ticker: tokio::task::JoinHandle<()>,
}

impl QueryProgress {
    #[expect(clippy::disallowed_methods, reason = "the ticker is aborted on drop")]
    pub(super) fn start(plan: Arc<dyn ExecutionPlan>) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        let shown = bar.clone();
        let ticker = tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            loop {
                shown.set_message(message(plan.as_ref(), shown.elapsed()));
                shown.tick();
                tokio::time::sleep(TICK).await;
            }
        });
        Self { bar, ticker }
    }
}

impl Drop for QueryProgress {
    fn drop(&mut self) {
        self.ticker.abort();
        self.bar.finish_and_clear();
    }
}

/// Rows inferred so far by every inference operator of a plan.
pub(super) fn inferred_rows(plan: &dyn ExecutionPlan) -> usize {
    let mut rows = 0;
    visit(plan, &mut |exec| {
        let metric = exec.metrics().and_then(|m| m.sum_by_name("inferred_rows"));
        rows += metric.map_or(0, |v| v.as_usize());
    });
    rows
}

/// Labels of the models with random weights that a plan runs, each once.
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
