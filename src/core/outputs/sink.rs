//! The sinks of queries: their files appear once the query has succeeded.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use datafusion::{
    arrow::datatypes::SchemaRef,
    common::{
        Result,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    config::ConfigOptions,
    datasource::sink::{DataSink, DataSinkExec},
    execution::{
        SendableRecordBatchStream, TaskContext,
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, metrics::MetricsSet},
};

use super::together::Together;

/// The rule that makes every sink of a plan publish its files at the end.
#[derive(Debug)]
pub struct WholeOutputs;

impl PhysicalOptimizerRule for WholeOutputs {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let whole = |node: Arc<dyn ExecutionPlan>| {
            let any: &dyn std::any::Any = node.as_ref();
            let Some(exec) = any.downcast_ref::<DataSinkExec>().filter(|exec| !exec.sink().is::<WholeSink>()) else {
                return Ok(Transformed::no(node));
            };
            let sink = Arc::new(WholeSink { exec: exec.clone() });
            let whole = DataSinkExec::new(exec.input().clone(), sink, exec.sort_order().clone());
            Ok(Transformed::yes(Arc::new(whole) as Arc<dyn ExecutionPlan>))
        };
        plan.transform_up(whole).data()
    }

    fn name(&self) -> &'static str {
        "whole_outputs"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A sink that writes through the sink of `exec`, whose stores hide the output until everything is written.
/// DataFusion's sinks complete the files that they have begun when the rows stop, even if they stop because of an
/// error.
#[derive(Debug)]
struct WholeSink {
    exec: DataSinkExec,
}

impl DisplayAs for WholeSink {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.exec.sink().fmt_as(t, f)
    }
}

#[async_trait]
impl DataSink for WholeSink {
    fn metrics(&self) -> Option<MetricsSet> {
        self.exec.sink().metrics()
    }

    fn schema(&self) -> &SchemaRef {
        self.exec.sink().schema()
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let together = Together::default();
        let runtime = context.runtime_env();
        let stores = together.stores(runtime.object_store_registry.clone());
        let runtime = RuntimeEnvBuilder::from_runtime_env(&runtime).with_object_store_registry(stores).build_arc()?;
        match self.exec.sink().write_all(data, &Arc::new(with_runtime(context, runtime))).await {
            Ok(rows) => together.put_in_place().await.map(|()| rows),
            Err(e) => Err(together.give_up().await.map_or(e, Into::into)),
        }
    }
}

/// Returns the context of a task with another runtime environment.
fn with_runtime(context: &TaskContext, runtime: Arc<RuntimeEnv>) -> TaskContext {
    TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone(),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        runtime,
    )
}
