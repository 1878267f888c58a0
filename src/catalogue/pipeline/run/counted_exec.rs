//! Counts the input rows that a unit reads, so that a reader that returns too few is noticed.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use datafusion::{
    common::{Result, Statistics, internal_err, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        execution_plan::CardinalityEffect,
        statistics::{ChildStats, StatisticsArgs},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

/// The rows that were read so far.
#[derive(Debug, Default)]
pub(super) struct ReadRows {
    rows: AtomicU64,
    ended: AtomicBool,
}

impl ReadRows {
    /// The number of rows, if they were read to the end. A query may stop earlier, for example a join whose other side
    /// is empty.
    pub(super) fn whole(&self) -> Option<u64> {
        self.ended.load(Ordering::Acquire).then(|| self.so_far())
    }

    /// The number of rows that were read until now.
    pub(super) fn so_far(&self) -> u64 {
        self.rows.load(Ordering::Acquire)
    }
}

/// Counts the rows of its input. Nothing is pushed down below it: rows that a scan filters out would not be counted.
#[derive(Debug)]
pub(super) struct CountedExec {
    input: Arc<dyn ExecutionPlan>,
    read: Arc<ReadRows>,
}

impl CountedExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, read: Arc<ReadRows>) -> Self {
        Self { input, read }
    }
}

impl DisplayAs for CountedExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "CountedExec")
    }
}

impl ExecutionPlan for CountedExec {
    fn name(&self) -> &'static str {
        "CountedExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    // A single device serves all rows of a unit, in their order.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else { return internal_err!("CountedExec has one input") };
        Ok(Arc::new(Self::new(input, self.read.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (counting, ending) = (self.read.clone(), self.read.clone());
        let rows = self.input.execute(partition, task)?.inspect_ok(move |batch| {
            counting.rows.fetch_add(batch.num_rows() as u64, Ordering::AcqRel);
        });
        let end = stream::poll_fn(move |_| {
            ending.ended.store(true, Ordering::Release);
            Poll::Ready(None)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows.chain(end))))
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        Ok(inputs.first().cloned().unwrap_or_default())
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }
}
