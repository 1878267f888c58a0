//! The analyzer rule that moves `lam_*` calls into [`LamInfer`] nodes.

use std::sync::Arc;

use datafusion::{
    common::{
        Column, DFSchema, Result,
        config::ConfigOptions,
        internal_err,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    functions::core::named_struct,
    logical_expr::{
        Distinct, DistinctOn, Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, WriteOp, expr::ScalarFunction,
        expr_rewriter::NamePreserver, lit,
    },
    optimizer::AnalyzerRule,
};
use lamcat_core::{
    error::{Error, ErrorKind},
    udf::SqlFunction,
};

use super::{
    node::{LamInfer, NamedOutput},
    options::LamcatOptions,
    reuse::{Names, Wanted, reuse},
};
use crate::functions::{Ask, ModelCall};

/// The rule; it must run after type coercion.
#[derive(Debug, Default)]
pub struct Hoist;

impl AnalyzerRule for Hoist {
    fn name(&self) -> &'static str {
        "lam_hoist"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        if matches!(&plan, LogicalPlan::Dml(dml) if matches!(dml.op, WriteOp::Update | WriteOp::Delete)) {
            // The table evaluates these expressions itself, on its own columns.
            return Ok(plan);
        }
        let mut names = Names::after(&plan)?;
        let plan = plan.transform_up_with_subqueries(|node| hoist(node, &mut names))?.data;
        let keep_unplaced = config.extensions.get::<LamcatOptions>().is_none_or(|o| o.unplaced_calls);
        if !keep_unplaced {
            refuse_unplaced(&plan)?;
        }
        Ok(plan)
    }
}

/// A call found in an expression.
struct Site {
    expr: Expr,
    context: Expr,
    call: ModelCall,
}

/// Moves every call of one plan node below it.
fn hoist(node: LogicalPlan, names: &mut Names) -> Result<Transformed<LogicalPlan>> {
    if matches!(node, LogicalPlan::Extension(_) | LogicalPlan::TableScan(_)) {
        return Ok(Transformed::no(node));
    }
    let mut exprs = node.expressions();
    if !exprs.iter().any(has_call) || exprs.iter().any(|e| matches!(e, Expr::GroupingSet(_))) {
        return Ok(Transformed::no(node));
    }
    let mut inputs: Vec<LogicalPlan> = node.inputs().into_iter().cloned().collect();
    let preserver = NamePreserver::new(&node);
    let saved: Vec<_> = exprs.iter().map(|e| preserver.save(e)).collect();
    let mut unplaced = guarded_calls(&exprs)?;
    let mut moved = false;
    while let Some(site) = innermost(&exprs, &unplaced)? {
        match place(&site, &mut inputs, names)? {
            Some(replacement) => {
                exprs = replace(exprs, &site.expr, &replacement)?;
                moved = true;
            }
            None => unplaced.push(site.expr),
        }
    }
    if !moved {
        return Ok(Transformed::no(node));
    }
    let exprs = exprs.into_iter().zip(saved).map(|(e, name)| name.restore(e)).collect();
    let rebuilt = rebuild(&node, exprs, inputs)?;
    Ok(Transformed::yes(restore_columns(rebuilt, node.schema())?))
}

/// Rebuilds the node with other expressions and inputs. DataFusion's own method does not accept the sort order of
/// DISTINCT ON.
fn rebuild(node: &LogicalPlan, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<LogicalPlan> {
    let LogicalPlan::Distinct(Distinct::On(distinct)) = node else { return node.with_new_exprs(exprs, inputs) };
    let Some(input) = inputs.pop() else { return internal_err!("DISTINCT ON has one input") };
    let mut exprs = exprs.into_iter();
    let on_expr = exprs.by_ref().take(distinct.on_expr.len()).map(Expr::unalias).collect();
    let select_expr = exprs.by_ref().take(distinct.select_expr.len()).collect();
    let sort_expr = distinct.sort_expr.as_ref().map(|sorts| {
        sorts.iter().zip(exprs).map(|(sort, expr)| SortExpr { expr: expr.unalias(), ..sort.clone() }).collect()
    });
    let distinct = DistinctOn::try_new(on_expr, select_expr, sort_expr, Arc::new(input))?;
    Ok(LogicalPlan::Distinct(Distinct::On(distinct)))
}

/// The first call whose context does not contain another call that could still be placed.
fn innermost(exprs: &[Expr], unplaced: &[Expr]) -> Result<Option<Site>> {
    let mut found = None;
    for expr in exprs {
        expr.apply(|e| {
            let Some((function, args)) = as_call(e) else { return Ok(TreeNodeRecursion::Continue) };
            if unplaced.contains(e) || args[0].exists(|a| Ok(as_call(a).is_some() && !unplaced.contains(a)))? {
                return Ok(TreeNodeRecursion::Continue);
            }
            found = Some(Site { expr: e.clone(), context: args[0].clone(), call: ModelCall::of(function, args)? });
            Ok(TreeNodeRecursion::Stop)
        })?;
        if found.is_some() {
            break;
        }
    }
    Ok(found)
}

/// Computes a call's outputs below one of the inputs. Returns the expression that replaces the call, or `None` if no
/// single input has all the columns of its context.
fn place(site: &Site, inputs: &mut [LogicalPlan], names: &mut Names) -> Result<Option<Expr>> {
    if !is_movable(&site.context) {
        return Ok(None);
    }
    let Some(input) = inputs.iter_mut().find(|i| has_columns(&site.context, i.schema())) else {
        return Ok(None);
    };
    let model = &site.call.model;
    let mut columns = Vec::new();
    for output in site.call.outputs() {
        let wanted = Wanted { context: site.context.clone(), model, output };
        let (plan, column) = match reuse(input, &wanted, names)? {
            Some(found) => found,
            None => match add_node(input, wanted, names)? {
                Some(added) => added,
                None => return Ok(None),
            },
        };
        *input = plan;
        columns.push(column);
    }
    Ok(Some(result(&site.call, columns)))
}

/// Puts a new node on top of `input`. In a correlated subquery, the node goes below the filters that DataFusion must be
/// able to pull out. `None` if neither is possible.
fn add_node(input: &LogicalPlan, wanted: Wanted, names: &mut Names) -> Result<Option<(LogicalPlan, Column)>> {
    if !input.all_out_ref_exprs().is_empty() {
        let LogicalPlan::Filter(filter) = input else { return Ok(None) };
        let Some((below, column)) = add_node(&filter.input, wanted, names)? else { return Ok(None) };
        return Ok(Some((input.with_new_exprs(input.expressions(), vec![below])?, column)));
    }
    let name = names.fresh();
    let column = Column::new_unqualified(&name);
    let outputs = vec![NamedOutput { output: wanted.output, name }];
    let node = LamInfer::try_new(input.clone(), wanted.context, wanted.model.clone(), outputs)?;
    Ok(Some((node.into_plan(), column)))
}

/// The expression that builds a call's result from the output columns.
fn result(call: &ModelCall, columns: Vec<Column>) -> Expr {
    let mut columns = columns.into_iter().map(Expr::Column);
    match &call.ask {
        Ask::One(_) => columns.next().unwrap_or_else(|| lit(datafusion::common::ScalarValue::Null)),
        Ask::Predict(_) => {
            let args = call.outputs().into_iter().zip(columns).flat_map(|(o, c)| [lit(o.label(&call.model)), c]);
            Expr::ScalarFunction(ScalarFunction::new_udf(named_struct(), args.collect()))
        }
    }
}

fn replace(exprs: Vec<Expr>, call: &Expr, replacement: &Expr) -> Result<Vec<Expr>> {
    exprs
        .into_iter()
        .map(|e| {
            let replaced = e.transform_up(|x| {
                Ok(if x == *call { Transformed::yes(replacement.clone()) } else { Transformed::no(x) })
            })?;
            Ok(replaced.data)
        })
        .collect()
}

/// Projects away the extra columns of a node that passes its input's columns through.
fn restore_columns(plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
    if plan.schema().fields().len() == schema.fields().len() {
        return Ok(plan);
    }
    LogicalPlanBuilder::from(plan).project(schema.iter().map(|f| Expr::Column(Column::from(f))))?.build()
}

/// Whether a context has the same value below its node: it must depend only on the columns of the row.
fn is_movable(context: &Expr) -> bool {
    let bound = |e: &Expr| {
        matches!(
            e,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::LambdaVariable(_)
        )
    };
    let holds_bound = context.exists(|e| Ok(bound(e))).unwrap_or(true);
    !(context.is_volatile() || context.contains_outer() || has_call(context) || holds_bound)
}

/// The calls under CASE, COALESCE and the like whose context might fail on rows that the condition excludes.
fn guarded_calls(exprs: &[Expr]) -> Result<Vec<Expr>> {
    let mut calls = Vec::new();
    for expr in exprs {
        expr.apply(|guard| {
            let guards = match guard {
                Expr::Case(_) => true,
                Expr::ScalarFunction(f) => f.func.short_circuits(),
                _ => false,
            };
            if guards {
                guard.apply(|e| {
                    if as_call(e).is_some_and(|(_, args)| !cannot_fail(&args[0])) {
                        calls.push(e.clone());
                    }
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(calls)
}

/// Whether an expression returns a value or NULL for every row.
fn cannot_fail(expr: &Expr) -> bool {
    let harmless = |e: &Expr| match e {
        Expr::Column(_) | Expr::Literal(..) | Expr::Alias(_) => true,
        Expr::ScalarFunction(f) => match SqlFunction::of(&f.func) {
            Some(function) => !function.spec().can_fail(),
            None => ["named_struct", "get_field"].contains(&f.func.name()),
        },
        _ => false,
    };
    !expr.exists(|e| Ok(!harmless(e))).unwrap_or(true)
}

fn as_call(expr: &Expr) -> Option<(&SqlFunction, &[Expr])> {
    let Expr::ScalarFunction(f) = expr else { return None };
    let function = SqlFunction::of(&f.func).filter(|function| function.spec().is_asked())?;
    Some((function, f.args.as_slice())).filter(|(_, args)| !args.is_empty())
}

fn has_call(expr: &Expr) -> bool {
    expr.exists(|e| Ok(as_call(e).is_some())).unwrap_or(false)
}

fn has_columns(expr: &Expr, schema: &Arc<DFSchema>) -> bool {
    expr.column_refs().into_iter().all(|c| schema.has_column(c))
}

fn refuse_unplaced(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        for expr in node.expressions() {
            if has_call(&expr) {
                return Err(Error::new(ErrorKind::Plan, format!("the call in {expr} cannot be batched"))
                    .hint(
                        "its context needs columns of more than one table: build the context in a subquery first, or \
                         SET lamcat.unplaced_calls = true",
                    )
                    .into());
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
