//! Finds, below a plan node, a [`LamInfer`] node that already runs the wanted model on the wanted context.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    common::{
        Column, Result,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, JoinType, LogicalPlan, Projection, SubqueryAlias},
};
use lamcat_model::{Model, inference::Output};

use super::node::{LamInfer, NamedOutput};

/// An output that is wanted for a context.
pub(super) struct Wanted<'a> {
    pub(super) context: Expr,
    pub(super) model: &'a Arc<Model>,
    pub(super) output: Output,
}

/// A plan that computes a wanted output, and the column that holds it.
pub(super) type Found = (LogicalPlan, Column);

/// Generates names for output columns, unique within one plan.
#[derive(Debug)]
pub(super) struct Names {
    next: usize,
}

const PREFIX: &str = "__lam_";

impl Names {
    /// Starts after the names that `plan` already uses.
    pub(super) fn after(plan: &LogicalPlan) -> Result<Self> {
        let mut next = 0;
        plan.apply_with_subqueries(|p| {
            for o in LamInfer::of(p).map(LamInfer::outputs).unwrap_or_default() {
                let used = o.name.strip_prefix(PREFIX).and_then(|n| n.parse::<usize>().ok());
                next = next.max(used.map_or(0, |n| n + 1));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(Self { next })
    }

    pub(super) fn fresh(&mut self) -> String {
        self.next += 1;
        format!("{PREFIX}{}", self.next - 1)
    }
}

/// Searches `plan`, through filters, sorts, windows, joins, projections and aliases, for a node that can be reused, and
/// adds the output to it; `None` if there is no such node.
pub(super) fn reuse(plan: &LogicalPlan, wanted: &Wanted, names: &mut Names) -> Result<Option<Found>> {
    if let Some(node) = LamInfer::of(plan) {
        return share_node(node, wanted, names);
    }
    match plan {
        LogicalPlan::Projection(p) => share_projection(p, wanted, names),
        LogicalPlan::SubqueryAlias(a) => share_alias(a, wanted, names),
        _ => share_below(plan, wanted, names),
    }
}

/// Searches below a node that passes on the rows of its input unchanged and complete.
fn share_below(plan: &LogicalPlan, wanted: &Wanted, names: &mut Names) -> Result<Option<Found>> {
    let inputs = plan.inputs();
    for side in transparent_inputs(plan) {
        let here = wanted.context.column_refs().into_iter().all(|c| inputs[*side].schema().has_column(c));
        if !here {
            continue;
        }
        if let Some((input, column)) = reuse(inputs[*side], wanted, names)? {
            let mut rebuilt: Vec<LogicalPlan> = inputs.iter().map(|i| (*i).clone()).collect();
            rebuilt[*side] = input;
            return Ok(Some((plan.with_new_exprs(plan.expressions(), rebuilt)?, column)));
        }
    }
    Ok(None)
}

/// The inputs whose rows a node passes on unchanged. A side of a join that may be padded with NULLs is not one of them:
/// a context may have a value even for a padded row, for which nothing was computed below the join.
fn transparent_inputs(plan: &LogicalPlan) -> &'static [usize] {
    match plan {
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Window(_) => &[0],
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner => &[0, 1],
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => &[0],
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => &[1],
            JoinType::Full => &[],
        },
        _ => &[],
    }
}

fn share_node(node: &LamInfer, wanted: &Wanted, names: &mut Names) -> Result<Option<Found>> {
    if *node.context() != wanted.context || node.model().hash() != wanted.model.hash() {
        let Some((input, column)) = reuse(node.input(), wanted, names)? else { return Ok(None) };
        return Ok(Some((node.with_input(input)?.into_plan(), column)));
    }
    if let Some(column) = node.column(wanted.output) {
        return Ok(Some((node.clone().into_plan(), column)));
    }
    let name = names.fresh();
    let column = Column::new_unqualified(&name);
    let mut outputs = node.outputs().to_vec();
    outputs.push(NamedOutput { output: wanted.output, name });
    Ok(Some((node.with_outputs(outputs)?.into_plan(), column)))
}

fn share_projection(p: &Projection, wanted: &Wanted, names: &mut Names) -> Result<Option<Found>> {
    let sources = p.schema.iter().zip(&p.expr).filter_map(|((q, f), e)| match e.clone().unalias() {
        Expr::Column(source) => Some((Column::from((q, f)), source)),
        _ => None,
    });
    let Some(context) = rename(&wanted.context, &sources.collect())? else { return Ok(None) };
    let Some((input, column)) = reuse(&p.input, &Wanted { context, ..*wanted }, names)? else { return Ok(None) };
    let mut exprs = p.expr.clone();
    if !exprs.iter().any(|e| matches!(e, Expr::Column(c) if *c == column)) {
        exprs.push(Expr::Column(column.clone()));
    }
    Ok(Some((LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?), column)))
}

fn share_alias(a: &SubqueryAlias, wanted: &Wanted, names: &mut Names) -> Result<Option<Found>> {
    let inner = a.input.schema().iter().map(Column::from);
    let sources = a.schema.iter().map(Column::from).zip(inner).collect();
    let Some(context) = rename(&wanted.context, &sources)? else { return Ok(None) };
    let Some((input, column)) = reuse(&a.input, &Wanted { context, ..*wanted }, names)? else { return Ok(None) };
    let plan = LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(input), a.alias.clone())?);
    Ok(Some((plan, Column::new(Some(a.alias.clone()), column.name))))
}

/// Rewrites an expression over a node's output in terms of its input; `None` if a column has no source there.
fn rename(expr: &Expr, sources: &HashMap<Column, Column>) -> Result<Option<Expr>> {
    let mut complete = true;
    let renamed = expr.clone().transform(|e| match &e {
        Expr::Column(c) => {
            if let Some(source) = sources.get(c) {
                return Ok(Transformed::yes(Expr::Column(source.clone())));
            }
            complete = false;
            Ok(Transformed::no(e))
        }
        _ => Ok(Transformed::no(e)),
    })?;
    Ok(complete.then_some(renamed.data))
}
