//! Scalar subqueries, which on a cluster become joins that do not count their rows.

use datafusion::{
    common::{
        Result,
        config::ConfigOptions,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, LogicalPlan},
    optimizer::AnalyzerRule,
};
use lamcat_core::error::{Error, ErrorKind};

/// Refuses a scalar subquery that may return several rows. On one machine it would fail when it does.
#[derive(Debug)]
pub(crate) struct OneRow;

impl AnalyzerRule for OneRow {
    fn name(&self) -> &'static str {
        "lamcat_one_row"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|node| {
            node.apply_expressions(|expr| {
                expr.apply(|expr| match expr {
                    Expr::ScalarSubquery(query)
                        if query.outer_ref_columns.is_empty() && query.subquery.max_rows() != Some(1) =>
                    {
                        let message = "a subquery in the place of a value may return several rows";
                        Err(Error::new(ErrorKind::Plan, message)
                            .hint("add LIMIT 1, or an aggregate such as max")
                            .into())
                    }
                    _ => Ok(TreeNodeRecursion::Continue),
                })
            })
        })?;
        Ok(plan)
    }
}
