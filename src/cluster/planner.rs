//! The plans of a session whose queries run on a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::{
    catalog::Session as Planning,
    common::{
        DataFusionError, Result,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    datasource::sink::DataSinkExec,
    execution::{SessionState, SessionStateBuilder, context::QueryPlanner},
    logical_expr::{LogicalPlan, PlanType, StringifiedPlan},
    physical_plan::{
        ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions, analyze::AnalyzeExec, explain::ExplainExec,
    },
};
use datafusion_distributed::{
    DesiredTaskCountEvent, DistributedCodec, DistributedExt, ScaleUpLeafNodeEvent, SessionStateBuilderExt,
    display_plan_ascii,
};
use datafusion_proto::bytes::physical_plan_to_bytes_with_extension_codec;
use lamcat_core::error::{Error, ErrorKind};
use lamcat_model::inference::{Engine, Precision};
use lamcat_sql::{planner::LamQueryPlanner, session::Session};

use crate::{
    attempts::ClusterExec,
    codec::{Codec, bound_to_this_process, scan_of},
    division::Division,
    lost::in_words,
    members::Cluster,
    panics,
    settings::Settings,
    subqueries::OneRow,
    tasks,
    worker::PLAN_BYTES,
};

impl Cluster {
    /// Makes all later queries of a session run on this cluster, if they read files that the workers can read.
    ///
    /// # Errors
    /// If a setting cannot be made.
    pub fn join(&self, session: &Session) -> Result<()> {
        panics::count();
        let context = session.context();
        let codec = Codec::new(session.engine().clone());
        let planner =
            Planner { cluster: self.clone(), engine: session.engine().clone(), precision: session.precision() };
        let state = context.state();
        // A plan for one partition cannot be divided.
        let config = state.config().clone().with_target_partitions(state.config().target_partitions().max(2));
        let state = SessionStateBuilder::new_from_existing(state)
            .with_config(config)
            .with_distributed_planner()
            .with_distributed_file_scan_config_bytes_per_partition(tasks::TASK_BYTES)?
            .with_distributed_worker_resolver(self.present())
            .with_distributed_channel_resolver(self.channels().clone())
            .with_distributed_user_codec(codec)
            .with_distributed_desired_task_count_handler(|event: DesiredTaskCountEvent| tasks::wanted(event))
            .with_distributed_scale_up_leaf_node_handler(|event: ScaleUpLeafNodeEvent| tasks::divided(event))
            .with_analyzer_rule(Arc::new(OneRow))
            .with_query_planner(Arc::new(planner))
            .build();
        *context.state_ref().write() = state;
        Ok(())
    }
}

/// Plans a query as a session without a cluster does, and gives its stages to the workers.
#[derive(Debug)]
struct Planner {
    cluster: Cluster,
    engine: Arc<Engine>,
    precision: Precision,
}

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Planning) -> Result<Arc<dyn ExecutionPlan>> {
        let local = LamQueryPlanner::new(self.engine.clone()).create_physical_plan(plan, session).await?;
        if let (LogicalPlan::Explain(explain), Some(explained)) = (plan, local.downcast_ref::<ExplainExec>()) {
            let of = self.create_physical_plan(&explain.plan, session).await?;
            return Ok(Arc::new(explained_again(explained, of.as_ref())));
        }
        if let Some(sink) = local.downcast_ref::<DataSinkExec>() {
            let input = self.distributed(sink.input(), session).await?;
            return match input {
                Some(input) => {
                    let recomputed = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
                    local.clone().replace_children(vec![input], recomputed)
                }
                None => Ok(local),
            };
        }
        Ok(self.distributed(&local, session).await?.unwrap_or(local))
    }
}

impl Planner {
    /// The plan that runs on the cluster; `None` if it would not profit or cannot.
    async fn distributed(
        &self,
        local: &Arc<dyn ExecutionPlan>,
        session: &dyn Planning,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else { return Ok(None) };
        match bound(local)? {
            Scans::None => return Ok(None),
            Scans::Bound(reason) => return Ok(runs_here(&reason.into())),
            Scans::Free => {}
        }
        let codec = DistributedCodec::new_combined_with_user(session.config());
        let sent = local.downcast_ref::<AnalyzeExec>().map_or(local, |analyze| analyze.input());
        match physical_plan_to_bytes_with_extension_codec(sent.clone(), &codec) {
            Ok(bytes) if bytes.len() <= PLAN_BYTES => {}
            Ok(bytes) => {
                let message = format!("the plan of the query is too large for workers: {} MB", bytes.len() >> 20);
                let hint = "put long lists of values into a file and join it, or read fewer files at once";
                return Err(Error::new(ErrorKind::Plan, message).hint(hint).into());
            }
            Err(e) => return Ok(runs_here(&e)),
        }
        self.cluster.look().await?;
        let division = Division::new(local.clone(), state.clone());
        let Some(stages) = division.stages().await? else { return Ok(None) };
        let headers = Settings::of(session.config(), &self.engine, self.precision)?.to_headers()?;
        Ok(Some(Arc::new(ClusterExec::new(stages, division, self.cluster.clone(), headers))))
    }
}

/// Says why a query does not run on the cluster.
fn runs_here(reason: &DataFusionError) -> Option<Arc<dyn ExecutionPlan>> {
    tracing::warn!("the query runs on this machine alone: {}", in_words(reason));
    None
}

/// The scans of files of a plan.
enum Scans {
    /// There is none.
    None,
    /// One can only run in this process.
    Bound(Error),
    /// All can run on workers.
    Free,
}

fn bound(plan: &Arc<dyn ExecutionPlan>) -> Result<Scans> {
    let mut scans = Scans::None;
    plan.apply(|node| {
        let Some(scan) = scan_of(node) else { return Ok(TreeNodeRecursion::Continue) };
        scans = bound_to_this_process(scan).map_or(Scans::Free, Scans::Bound);
        Ok(if matches!(scans, Scans::Bound(_)) { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(scans)
}

/// The rows of EXPLAIN, with the stages in the place of the physical plan of one machine.
fn explained_again(explained: &ExplainExec, plan: &dyn ExecutionPlan) -> ExplainExec {
    let stages = plan.downcast_ref::<ClusterExec>().map(|cluster| display_plan_ascii(cluster.query(), false));
    let rows = explained.stringified_plans().iter().map(|row| match &stages {
        Some(stages) if row.plan_type == PlanType::FinalPhysicalPlan => {
            StringifiedPlan::new(PlanType::FinalPhysicalPlan, stages.as_str())
        }
        _ => row.clone(),
    });
    ExplainExec::new(explained.schema(), rows.collect(), explained.verbose())
}
