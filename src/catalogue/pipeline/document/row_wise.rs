//! Checks that a query treats each row separately, so that it can be answered unit by unit.
//!
//! A unit has some rows of the cut input, and all rows of the other inputs. The result for a row must not depend on
//! which other rows are in its unit, so only operators that treat each row separately may stand between the cut input
//! and the result. The other inputs are complete in every unit, so the query may do anything with them.

use std::collections::BTreeMap;

use datafusion::{
    common::{
        JoinType, TableReference,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Distinct, Expr, Join, LogicalPlan, Volatility},
};
use lamcat_core::error::{Error, ErrorKind, Result, without_secrets};
use lamcat_sql::planner::LamInfer;

use super::resolve::Pipeline;

/// What happens to the rows of the cut input, step by step, in words.
///
/// # Errors
/// If an operator of the query plan does not treat rows separately, a function is not deterministic, or the plan reads
/// a table that is not an input.
pub(super) fn steps(
    plan: &LogicalPlan,
    pipeline: &Pipeline,
    is_function: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let error = |message: String| Error::new(ErrorKind::Plan, message).at("file", pipeline.sql.path.display());
    let cut = pipeline.cut_input().name.as_str();
    let mut reads: BTreeMap<&str, usize> = pipeline.inputs.iter().map(|i| (i.name.as_str(), 0)).collect();
    for name in tables(plan, &error)? {
        match reads.get_mut(name.table()) {
            Some(count) => *count += 1,
            None if is_function(name.table().trim_end_matches("()")) => {}
            None => {
                let inputs: Vec<&str> = reads.keys().copied().collect();
                return Err(error(format!(
                    "the query reads '{}', which is not an input of the pipeline",
                    without_secrets(&name.to_string())
                ))
                .hint(format!("its inputs: {}; declare another in [inputs]", inputs.join(", "))));
            }
        }
    }
    if let Some((name, _)) = reads.iter().find(|(_, count)| **count == 0) {
        return Err(
            error(format!("the query does not read the input '{name}'")).hint("read it, or remove it from [inputs]")
        );
    }
    if reads[cut] > 1 {
        return Err(error(format!("the query reads the cut input '{cut}' {} times", reads[cut])).hint(
            "a unit of work holds some of its rows, so that rows of different units would not meet; to join a table with \
             itself declare it as a second input that is not cut",
        ));
    }
    let mut steps = Vec::new();
    if !(Walk { cut, error: &error }).walk(plan, &mut steps)? {
        return Err(error(format!("the query reads the cut input '{cut}' in a subquery of an expression alone"))
            .hint("the catalogue is made from its rows: write SELECT … FROM it"));
    }
    steps.push(format!("give {} columns", plan.schema().fields().len()));
    Ok(steps)
}

/// The tables that a query plan reads, subqueries included; a table is listed once for each time that it is read.
fn tables(plan: &LogicalPlan, error: &dyn Fn(String) -> Error) -> Result<Vec<TableReference>> {
    let mut names = Vec::new();
    let mut volatile = None;
    let walked = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            names.push(scan.table_name.clone());
        }
        for expr in node.expressions() {
            volatile = volatile.take().or(volatile_call(&expr));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    walked.map_err(|e| error("the query cannot be read".to_owned()).source(e))?;
    match volatile {
        None => Ok(names),
        Some(call) => Err(error(format!("{call} gives another value each time"))
            .hint("a unit of work that is repeated must give the same rows: use a column, or a literal")),
    }
}

/// The first call of a function whose value depends on more than its arguments.
pub(super) fn volatile_call(expr: &Expr) -> Option<String> {
    let mut found = None;
    let walked = expr.apply(|e| match e {
        Expr::ScalarFunction(f) if f.func.signature().volatility != Volatility::Immutable => {
            found = Some(format!("{}()", f.func.name()));
            Ok(TreeNodeRecursion::Stop)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    });
    walked.ok().and(found)
}

struct Walk<'a> {
    cut: &'a str,
    error: &'a dyn Fn(String) -> Error,
}

impl Walk<'_> {
    /// Whether a query plan reads the rows of the cut input; what is done to them is appended to `steps`.
    fn walk(&self, plan: &LogicalPlan, steps: &mut Vec<String>) -> Result<bool> {
        match plan {
            LogicalPlan::TableScan(scan) => {
                let found = scan.table_name.table() == self.cut;
                steps.extend(found.then(|| format!("read {}, a unit at a time", self.cut)));
                return Ok(found);
            }
            LogicalPlan::Join(join) => return self.join(join, steps),
            _ => {}
        }
        let mut found = false;
        for input in plan.inputs() {
            found |= self.walk(input, steps)?;
        }
        if !found {
            return Ok(false);
        }
        match plan {
            LogicalPlan::SubqueryAlias(_) | LogicalPlan::Projection(_) => {}
            LogicalPlan::Filter(filter) => steps.push(format!("where {}", filter.predicate)),
            LogicalPlan::Unnest(unnest) => {
                // DataFusion names an unnested expression __unnest_placeholder(expression).
                let bare = |name: &str| {
                    let inner = name.strip_prefix("__unnest_placeholder(").and_then(|rest| rest.strip_suffix(')'));
                    inner.unwrap_or(name).to_owned()
                };
                let columns: Vec<String> = unnest.exec_columns.iter().map(|c| bare(&c.name)).collect();
                steps.push(format!("unnest {}", columns.join(", ")));
            }
            other => match LamInfer::of(other) {
                Some(infer) => {
                    let labels = infer.outputs().iter().map(|o| o.output.label(infer.model()));
                    let labels: Vec<String> = labels.collect();
                    steps.push(format!("infer with {}: {}", infer.model().name(), labels.join(", ")));
                }
                None => return Err(self.refuse(other)),
            },
        }
        Ok(true)
    }

    fn join(&self, join: &Join, steps: &mut Vec<String>) -> Result<bool> {
        let left = self.walk(&join.left, steps)?;
        let right = !left && self.walk(&join.right, steps)?;
        if !left && !right {
            return Ok(false);
        }
        let row_wise = match join.join_type {
            JoinType::Inner => true,
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => left,
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => right,
            JoinType::Full => false,
        };
        let kind = match join.join_type {
            JoinType::Full => "full",
            JoinType::Left => "left",
            JoinType::Right => "right",
            JoinType::LeftSemi | JoinType::RightSemi => "semi",
            JoinType::LeftAnti | JoinType::RightAnti => "anti",
            JoinType::LeftMark | JoinType::RightMark => "mark",
            JoinType::Inner => "inner",
        };
        if !row_wise {
            let others = match join.join_type {
                JoinType::Full | JoinType::Left | JoinType::Right => "rows that have no partner in",
                _ => "rows of another table than",
            };
            let message = format!("the {} JOIN gives {others} the cut input '{}'", kind.to_uppercase(), self.cut);
            return Err((self.error)(message).hint(format!(
                "a unit of work holds some of its rows, so that every unit would give rows of the other table: \
                 keep the rows of '{0}' alone, as in {0} LEFT JOIN …",
                self.cut
            )));
        }
        let other = tables(if left { &join.right } else { &join.left }, self.error)?;
        let other = if other.is_empty() {
            String::new()
        } else {
            format!(" {}", other.iter().map(TableReference::table).collect::<Vec<_>>().join(", "))
        };
        let on: Vec<String> = join.on.iter().map(|(l, r)| format!("{l} = {r}")).collect();
        let on = on.into_iter().chain(join.filter.as_ref().map(ToString::to_string)).collect::<Vec<_>>().join(" AND ");
        steps.push(if on.is_empty() { format!("cross join{other}") } else { format!("{kind} join{other} on {on}") });
        Ok(true)
    }

    /// The error for an operator whose result depends on several rows of a unit together.
    fn refuse(&self, plan: &LogicalPlan) -> Error {
        let union = |plan: &LogicalPlan| matches!(plan, LogicalPlan::Union(_));
        let (operator, advice) = match plan {
            LogicalPlan::Sort(_) => ("ORDER BY", "remove it: the catalogue is sorted by position anyway"),
            LogicalPlan::Limit(_) => {
                ("LIMIT", "select rows with WHERE, e.g. random_index < 1000000, or give fewer files")
            }
            LogicalPlan::Aggregate(_) => (
                "GROUP BY or an aggregate",
                "compute it in a query of its own, and give its result as an input that is not cut",
            ),
            LogicalPlan::Window(_) => (
                "a window function",
                "compute it in a query of its own, and give its result as an input that is not cut",
            ),
            LogicalPlan::Union(_) => ("UNION", "give all files to one input, by a glob or a folder"),
            LogicalPlan::Distinct(Distinct::All(input)) if union(input) => {
                ("UNION", "give all files to one input, by a glob or a folder")
            }
            LogicalPlan::Distinct(_) => (
                "DISTINCT, INTERSECT or EXCEPT",
                "make the rows of the input unique first; source_id must be unique anyway",
            ),
            LogicalPlan::RecursiveQuery(_) => ("a recursive query", "compute it in a query of its own"),
            LogicalPlan::Subquery(_) => ("a LATERAL subquery", "write a join, or the subquery over another input"),
            other => return (self.error)(format!("the query is not row-wise: {}", other.display())),
        };
        (self.error)(format!(
            "{operator} over the cut input '{}' would be computed for one unit, not for the whole sky",
            self.cut
        ))
        .hint(advice)
    }
}
