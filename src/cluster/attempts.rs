//! Runs a query on a cluster until an attempt has lost no worker.

use std::{fmt, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use datafusion::{
    arrow::{array::RecordBatch, datatypes::SchemaRef},
    common::{
        DataFusionError, Result, internal_err,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{
        SendableRecordBatchStream, SpillFile, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, execute_stream,
        metrics::{ExecutionPlanMetricsSet, SpillMetrics},
        repartition::RepartitionExec,
        sorts::sort_preserving_merge::SortPreservingMergeExec,
        spill::SpillManager,
        stream::RecordBatchStreamAdapter,
    },
    prelude::SessionConfig,
};
use datafusion_distributed::DistributedExt;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use http::HeaderMap;
use lamcat_core::error::{Error, ErrorKind};

use crate::{
    division::Division,
    lost::{in_words, is_lost},
    members::Cluster,
    panics,
};

/// The number of times that a query is sent again.
const REPEATS: usize = 6;
/// The pause before the first repeat, which grows up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Bytes of a result that are held in memory before it goes to a temporary file.
const HELD_BYTES: usize = 64 << 20;

/// The root of a query on a cluster: returns the rows of the first attempt that lost no worker.
#[derive(Debug, Clone)]
pub(crate) struct ClusterExec {
    /// The stages as they were planned.
    query: Arc<dyn ExecutionPlan>,
    division: Arc<Division>,
    cluster: Cluster,
    headers: HeaderMap,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ClusterExec {
    /// Runs a query whose stages are now `query` and are divided anew for every attempt; `headers` go with every request.
    pub(crate) fn new(query: Arc<dyn ExecutionPlan>, division: Division, cluster: Cluster, headers: HeaderMap) -> Self {
        let of = query.properties();
        let orders = of.equivalence_properties().oeq_class().iter().cloned();
        let properties = PlanProperties::new(
            EquivalenceProperties::new_with_orderings(query.schema(), orders),
            Partitioning::UnknownPartitioning(1),
            of.emission_type,
            of.boundedness,
        );
        let (division, properties) = (Arc::new(division), Arc::new(properties));
        Self { query, division, cluster, headers, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The query with its stages.
    pub(crate) fn query(&self) -> &dyn ExecutionPlan {
        self.query.as_ref()
    }
}

impl DisplayAs for ClusterExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "ClusterExec")
    }
}

impl ExecutionPlan for ClusterExec {
    fn name(&self) -> &'static str {
        "ClusterExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.query]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(query) = children.pop() else { return internal_err!("ClusterExec has one input") };
        Ok(Arc::new(Self { query, metrics: ExecutionPlanMetricsSet::new(), ..self.as_ref().clone() }))
    }

    fn execute(&self, _: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let query = Query {
            division: self.division.clone(),
            schema: self.schema(),
            cluster: self.cluster.clone(),
            task: with_headers(&task, &self.headers)?,
            metrics: self.metrics.clone(),
        };
        let rows = stream::once(query.complete()).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }
}

/// The task with headers that go with every request to a worker.
fn with_headers(task: &TaskContext, headers: &HeaderMap) -> Result<Arc<TaskContext>> {
    let config = task.session_config().clone().with_distributed_passthrough_headers(headers.clone())?;
    Ok(with_config(task, config))
}

fn with_config(task: &TaskContext, config: SessionConfig) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        task.task_id(),
        task.session_id(),
        config,
        task.scalar_functions().clone(),
        task.higher_order_functions().clone(),
        task.aggregate_functions().clone(),
        task.window_functions().clone(),
        task.runtime_env(),
    ))
}

/// The task with as much memory for rows on their way as the plan needs.
///
/// A worker sends the rows of all partitions of a stage on one connection, which is no longer read while too many of them wait.
/// A merge of sorted partitions waits for a row of each, which might be behind those that wait: then both would wait for ever.
fn with_room(task: &Arc<TaskContext>, plan: &Arc<dyn ExecutionPlan>) -> Result<Arc<TaskContext>> {
    let merges = plan.exists(|node| {
        let ordered = node.downcast_ref::<RepartitionExec>().is_some_and(RepartitionExec::preserve_order);
        Ok(ordered || node.is::<SortPreservingMergeExec>())
    })?;
    if !merges {
        return Ok(task.clone());
    }
    let config = task.session_config().clone().with_distributed_worker_connection_buffer_budget_bytes(usize::MAX)?;
    Ok(with_config(task, config))
}

/// The error of a query that was sent again in vain.
fn given_up(error: &DataFusionError) -> DataFusionError {
    let given_up = Error::new(ErrorKind::Io, format!("the query was sent {} times: {}", REPEATS + 1, in_words(error)));
    given_up.hint("what ended a worker is in its own log; see `lamcat cluster status`").into()
}

struct Query {
    division: Arc<Division>,
    schema: SchemaRef,
    cluster: Cluster,
    task: Arc<TaskContext>,
    metrics: ExecutionPlanMetricsSet,
}

impl Query {
    /// The rows of the first attempt that lost no worker.
    async fn complete(self) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let pauses = ExponentialBuilder::default().with_min_delay(PAUSE).with_max_delay(LONGEST_PAUSE).with_jitter();
        let mut pauses = pauses.with_max_times(REPEATS).build();
        let mut panicked = false;
        loop {
            let mut error = match self.attempt().await {
                Ok(Some(rows)) => return Ok(rows.stream()),
                Ok(None) if panicked => {
                    let message = "something panicked while the query ran, twice, so its rows do not count";
                    let error = Error::new(ErrorKind::Internal, message);
                    return Err(error.hint("the message of the panic is on stderr").into());
                }
                // The panic need not have to do with this query.
                Ok(None) => {
                    panicked = true;
                    continue;
                }
                Err(error) if !is_lost(&error) => return Err(error),
                Err(error) => error,
            };
            loop {
                let Some(pause) = pauses.next() else { return Err(given_up(&error)) };
                tracing::warn!("the query is sent again: {}", in_words(&error));
                tokio::time::sleep(pause).await;
                match self.cluster.look().await {
                    Ok(()) => break,
                    Err(none) => error = none,
                }
            }
        }
    }

    /// The rows of one attempt; `None` if there was a panic in this process meanwhile.
    async fn attempt(&self) -> Result<Option<Rows>> {
        let panics = panics::counted();
        let Some(stages) = self.division.stages().await? else {
            return internal_err!("a query that had several stages has one");
        };
        let mut stream = execute_stream(stages.clone(), with_room(&self.task, &stages)?)?;
        let mut rows = Rows::new(self.schema.clone(), &self.task, &self.metrics);
        while let Some(batch) = stream.next().await {
            rows.push(batch?)?;
        }
        Ok((panics::counted() == panics).then_some(rows))
    }
}

/// The rows of an attempt: in memory, and in temporary files if there are many.
struct Rows {
    held: Vec<RecordBatch>,
    memory: MemoryReservation,
    files: Vec<Arc<dyn SpillFile>>,
    spills: SpillManager,
}

impl Rows {
    fn new(schema: SchemaRef, task: &TaskContext, metrics: &ExecutionPlanMetricsSet) -> Self {
        let spills = SpillManager::new(task.runtime_env(), SpillMetrics::new(metrics, 0), schema);
        let memory = MemoryConsumer::new("ClusterExec").with_can_spill(true).register(task.memory_pool());
        Self { held: Vec::new(), memory, files: Vec::new(), spills }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let bytes = batch.get_array_memory_size();
        let full = self.memory.size() + bytes > HELD_BYTES;
        if full || self.memory.try_grow(bytes).is_err() {
            self.spill()?;
            self.memory.try_grow(bytes)?;
        }
        self.held.push(batch);
        Ok(())
    }

    fn spill(&mut self) -> Result<()> {
        let file = self.spills.spill_record_batch_and_finish(&self.held, "the rows of a query on a cluster")?;
        self.files.extend(file);
        self.held.clear();
        self.memory.free();
        Ok(())
    }

    fn stream(self) -> BoxStream<'static, Result<RecordBatch>> {
        let Self { held, memory, files, spills } = self;
        let spilled = stream::iter(files).map(move |file| spills.read_spill_as_stream(file, None)).try_flatten();
        let held = stream::iter(held.into_iter().map(move |batch| {
            memory.shrink(batch.get_array_memory_size().min(memory.size()));
            Ok(batch)
        }));
        spilled.chain(held).boxed()
    }
}
