//! The physical operator that runs a model on the rows of a query.

use std::{fmt, sync::Arc};

use arrow::datatypes::{FieldRef, Schema};
use datafusion::{
    common::{ColumnStatistics, Result, Statistics, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    execution::{SendableRecordBatchStream, TaskContext, memory_pool::MemoryConsumer},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        execution_plan::CardinalityEffect,
        filter_pushdown::{ChildFilterDescription, FilterDescription, FilterPushdownPhase},
        metrics::{ExecutionPlanMetricsSet, MetricsSet},
        statistics::{ChildStats, StatisticsArgs},
        stream::RecordBatchStreamAdapter,
    },
};
use lamcat_model::{
    Model,
    inference::{Engine, Program},
};

use super::{
    infer_stream::{Gauges, infer_stream},
    node::{NamedOutput, output_list},
    options::LamcatOptions,
};

/// Appends a model's outputs to the rows of its input; keeps their order and partitions.
///
/// Rows are gathered into device batches, whatever the scan's batch size is, and the number of batches in flight is
/// limited.
#[derive(Debug)]
pub struct LamInferExec {
    input: Arc<dyn ExecutionPlan>,
    context: Arc<dyn PhysicalExpr>,
    program: Arc<Program>,
    outputs: Vec<NamedOutput>,
    engine: Arc<Engine>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl LamInferExec {
    /// An operator that runs the program on `engine` and appends `outputs`.
    #[must_use]
    pub fn new(
        input: Arc<dyn ExecutionPlan>,
        context: Arc<dyn PhysicalExpr>,
        program: Arc<Program>,
        outputs: Vec<NamedOutput>,
        engine: Arc<Engine>,
    ) -> Self {
        let mut fields: Vec<FieldRef> = input.schema().fields().iter().cloned().collect();
        fields.extend(outputs.iter().map(|o| Arc::new(o.output.field(&o.name, program.model()))));
        let schema = Arc::new(Schema::new_with_metadata(fields, input.schema().metadata().clone()));
        let inherited = input.properties().equivalence_properties().oeq_class().iter().cloned();
        let equivalences = EquivalenceProperties::new_with_orderings(schema, inherited);
        let properties = Arc::new(PlanProperties::new(
            equivalences,
            input.properties().output_partitioning().clone(),
            input.properties().emission_type,
            input.properties().boundedness,
        ));
        Self { input, context, program, outputs, engine, properties, metrics: ExecutionPlanMetricsSet::new() }
    }

    /// The expression that computes the context of a row of the input.
    #[must_use]
    pub fn context(&self) -> &Arc<dyn PhysicalExpr> {
        &self.context
    }

    /// The outputs that the operator appends, in the order of their columns.
    #[must_use]
    pub fn outputs(&self) -> &[NamedOutput] {
        &self.outputs
    }

    /// The model that the operator runs.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        self.program.model()
    }
}

impl DisplayAs for LamInferExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let model = self.program.model();
        write!(
            f,
            "LamInferExec: model={}@{}, context={}, outputs=[{}]",
            model.name(),
            &model.hash()[..8],
            self.context,
            output_list(self.outputs.iter().map(|o| o.output), model)
        )
    }
}

impl ExecutionPlan for LamInferExec {
    fn name(&self) -> &'static str {
        "LamInferExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    // Distributing rows over more partitions would not help: one device serves all of them.
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
        let Some(input) = children.pop() else {
            return datafusion::common::internal_err!("LamInferExec has one input");
        };
        let (context, program) = (self.context.clone(), self.program.clone());
        Ok(Arc::new(Self::new(input, context, program, self.outputs.clone(), self.engine.clone())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion::physical_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        f(&self.context)
    }

    fn execute(&self, partition: usize, task: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let options = task.session_config().options().extensions.get::<LamcatOptions>().cloned().unwrap_or_default();
        let input = self.input.execute(partition, task.clone())?;
        let memory = MemoryConsumer::new(format!("LamInferExec[{partition}]")).register(task.memory_pool());
        let rows = infer_stream(
            input,
            self.context.clone(),
            self.program.clone(),
            self.engine.device().clone(),
            self.schema(),
            &options,
            memory,
            Gauges::new(&self.metrics, partition),
        );
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, inputs: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = inputs.first().map(|s| s.as_ref().clone()).unwrap_or_default();
        statistics.total_byte_size = datafusion::common::stats::Precision::Absent;
        statistics.column_statistics.extend(self.outputs.iter().map(|_| ColumnStatistics::new_unknown()));
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    // Filters that arise while the query runs (the threshold of a top-k, the keys of a join) avoid inference if they
    // can be applied below this operator.
    fn gather_filters_for_pushdown(
        &self,
        _: FilterPushdownPhase,
        parent_filters: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        // The child finds columns by name, so a filter may be pushed down only if the names lead to the same columns.
        let schema = self.input.schema();
        let same = |i: &usize| schema.index_of(schema.field(*i).name()).ok() == Some(*i);
        let allowed = (0..schema.fields().len()).filter(same).collect();
        let child = ChildFilterDescription::from_child_with_allowed_indices(&parent_filters, allowed, &self.input)?;
        Ok(FilterDescription::new().with_child(child))
    }
}
