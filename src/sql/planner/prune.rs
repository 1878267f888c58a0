//! The optimizer rule that drops outputs which nothing reads, and nodes without outputs.

use std::collections::HashSet;

use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::LogicalPlan,
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
};

use super::node::LamInfer;

/// The rule; it must run after the one that prunes projections.
///
/// Output names are unique within a plan, so an output is unread if neither an expression of any node nor a column of
/// the result mentions its name.
#[derive(Debug, Default)]
pub struct Prune;

impl OptimizerRule for Prune {
    fn name(&self) -> &'static str {
        "lam_prune"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let read = names_read(&plan)?;
        let unread = |node: &LamInfer| node.outputs().iter().any(|o| !read.contains(&o.name));
        let mut any = false;
        plan.apply_with_subqueries(|p| {
            any |= LamInfer::of(p).is_some_and(unread);
            Ok(TreeNodeRecursion::Continue)
        })?;
        if !any {
            return Ok(Transformed::no(plan));
        }
        plan.transform_up_with_subqueries(|node| prune(node, &read))
    }
}

/// Every column name that some expression or the result mentions.
fn names_read(plan: &LogicalPlan) -> Result<HashSet<String>> {
    let mut read: HashSet<String> = plan.schema().fields().iter().map(|f| f.name().clone()).collect();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                if let Some(column) = e.try_as_col() {
                    read.insert(column.name.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })?;
        // These nodes compare, align or return whole rows of their input without naming the columns.
        if matches!(
            node,
            LogicalPlan::Union(_)
                | LogicalPlan::Distinct(_)
                | LogicalPlan::RecursiveQuery(_)
                | LogicalPlan::Subquery(_)
        ) {
            for input in node.inputs() {
                read.extend(input.schema().fields().iter().map(|f| f.name().clone()));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(read)
}

fn prune(plan: LogicalPlan, read: &HashSet<String>) -> Result<Transformed<LogicalPlan>> {
    let Some(node) = LamInfer::of(&plan) else {
        // A node that passes columns through must recompute its schema, as its input may have fewer columns now.
        return plan.recompute_schema().map(Transformed::yes);
    };
    let kept: Vec<_> = node.outputs().iter().filter(|o| read.contains(&o.name)).cloned().collect();
    Ok(Transformed::yes(if kept.is_empty() { node.input().clone() } else { node.with_outputs(kept)?.into_plan() }))
}
