//! Turns lists of string literals into literals, so that the list in `lam_predict(xp, ['teff', 'logg'])` is known when
//! the query is planned.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{DFSchema, Result, ScalarValue},
    logical_expr::{
        Expr,
        planner::{ExprPlanner, PlannerResult},
    },
};

#[derive(Debug)]
struct ArrayLiteral;

/// The planner; it must come before the one that creates arrays.
pub(super) fn planner() -> Arc<dyn ExprPlanner> {
    Arc::new(ArrayLiteral)
}

impl ExprPlanner for ArrayLiteral {
    fn plan_array_literal(&self, exprs: Vec<Expr>, _: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        let strings: Option<Vec<ScalarValue>> = exprs
            .iter()
            .map(|e| match e {
                Expr::Literal(value @ ScalarValue::Utf8(Some(_)), _) => Some(value.clone()),
                _ => None,
            })
            .collect();
        Ok(match strings {
            Some(strings) if !strings.is_empty() => PlannerResult::Planned(Expr::Literal(
                ScalarValue::List(ScalarValue::new_list(&strings, &DataType::Utf8, true)),
                None,
            )),
            _ => PlannerResult::Original(exprs),
        })
    }
}
