//! The division of a plan into stages, made anew for every attempt.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{Result, tree_node::TreeNode},
    execution::{SessionState, SessionStateBuilder, context::QueryPlanner},
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execution_plan::reset_plan_states},
};
use datafusion_distributed::{DistributedExec, SessionStateBuilderExt};

/// A plan for one machine, and what is needed to divide it between the workers that are there.
#[derive(Debug)]
pub(crate) struct Division {
    local: Arc<dyn ExecutionPlan>,
    state: SessionState,
}

impl Division {
    pub(crate) fn new(local: Arc<dyn ExecutionPlan>, state: SessionState) -> Self {
        Self { local, state }
    }

    /// The plan in stages; `None` if one stage is enough.
    ///
    /// Nodes keep some of what they did, such as which files of a scan were read. The nodes of this plan have done nothing
    /// yet.
    pub(crate) async fn stages(&self) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let unused = reset_plan_states(self.local.clone())?;
        let mut builder =
            SessionStateBuilder::new().with_query_planner(Arc::new(Planned(unused))).with_distributed_planner();
        let Some(planner) = builder.query_planner().take() else { return Ok(None) };
        let plan = planner.create_physical_plan(&LogicalPlan::default(), &self.state).await?;
        Ok(plan.exists(|node| Ok(node.is::<DistributedExec>()))?.then_some(plan))
    }
}

/// Returns a plan that was made before, whatever the logical plan.
#[derive(Debug)]
struct Planned(Arc<dyn ExecutionPlan>);

#[async_trait]
impl QueryPlanner for Planned {
    async fn create_physical_plan(&self, _: &LogicalPlan, _: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self.0.clone())
    }
}
