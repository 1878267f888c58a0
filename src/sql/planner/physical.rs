//! The planner that turns the logical node into the operator.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::Result,
    execution::context::QueryPlanner,
    logical_expr::{LogicalPlan, UserDefinedLogicalNode, physical_planning_context::PhysicalPlanningContext},
    physical_expr::create_physical_expr,
    physical_plan::ExecutionPlan,
    physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner},
};
use lamcat_model::inference::{Engine, Program};

use super::{exec::LamInferExec, node::LamInfer};

/// Plans [`LamInfer`] for an engine.
#[derive(Debug)]
pub struct LamPlanner {
    engine: Arc<Engine>,
}

impl LamPlanner {
    /// A planner whose operators run on `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl ExtensionPlanner for LamPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        planning: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [input]) = (node.as_any().downcast_ref::<LamInfer>(), inputs) else { return Ok(None) };
        let context = create_physical_expr(node.context(), node.input().schema(), session.execution_props(), planning)?;
        let context_type = context.data_type(&input.schema())?;
        let wanted = node.outputs().iter().map(|o| o.output).collect();
        let program = Program::new(node.model().clone(), &context_type, wanted)?;
        let outputs = node.outputs().to_vec();
        let exec = LamInferExec::new(input.clone(), context, Arc::new(program), outputs, self.engine.clone());
        Ok(Some(Arc::new(exec)))
    }
}

/// DataFusion's query planner with [`LamPlanner`].
#[derive(Debug)]
pub struct LamQueryPlanner {
    engine: Arc<Engine>,
}

impl LamQueryPlanner {
    /// A query planner whose operators run on `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl QueryPlanner for LamQueryPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let extensions: Vec<Arc<dyn ExtensionPlanner + Send + Sync>> =
            vec![Arc::new(LamPlanner::new(self.engine.clone()))];
        DefaultPhysicalPlanner::with_extension_planners(extensions).create_physical_plan(plan, session).await
    }
}
