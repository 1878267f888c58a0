//! Recognises filters that never match a row with NaN, for which it does not matter that statistics leave out NaN.

use std::{any::Any, sync::Arc};

use arrow::datatypes::{DataType, Schema};
use datafusion::{
    common::ScalarValue,
    logical_expr::Operator,
    physical_expr::{
        expressions::{BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, Literal},
        utils::collect_columns,
    },
    physical_plan::PhysicalExpr,
};

/// Whether a filter never matches rows with NaN, or has no float columns.
pub(super) fn is_safe(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    if !has_float_columns(filter, schema) {
        return true;
    }
    let expr: &dyn Any = filter.as_ref();
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        return match binary.op() {
            Operator::And | Operator::Or => is_safe(binary.left(), schema) && is_safe(binary.right(), schema),
            Operator::Eq => comparison(filter).is_some(),
            _ => false,
        };
    }
    if let Some(list) = expr.downcast_ref::<InListExpr>() {
        return !list.negated() && is_column(list.expr()) && list.list().iter().all(|e| number(e).is_some());
    }
    expr.downcast_ref::<IsNullExpr>().is_some_and(|e| is_column(e.arg()))
        || expr.downcast_ref::<IsNotNullExpr>().is_some_and(|e| is_column(e.arg()))
}

/// Whether a filter uses floats. A filter that is created while the query runs counts with its columns too.
pub(super) fn has_float_columns(filter: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    let is_float = |column: &Column| schema.field_with_name(column.name()).map_or(true, |f| has_floats(f.data_type()));
    collect_columns(filter).iter().any(is_float)
}

fn has_floats(data_type: &DataType) -> bool {
    data_type.is_floating() || data_type.is_nested()
}

fn is_column(e: &Arc<dyn PhysicalExpr>) -> bool {
    (e.as_ref() as &dyn Any).is::<Column>()
}

/// Returns a literal that is neither NULL nor NaN.
fn number(e: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    let literal = (e.as_ref() as &dyn Any).downcast_ref::<Literal>()?.value();
    let is_nan = match literal {
        ScalarValue::Float64(Some(v)) => v.is_nan(),
        ScalarValue::Float32(Some(v)) => v.is_nan(),
        ScalarValue::Float16(Some(v)) => v.is_nan(),
        other => other.is_null(),
    };
    (!is_nan).then_some(literal)
}

/// Returns the column of a comparison with a number, and the operator with the column on its left side.
fn comparison(filter: &Arc<dyn PhysicalExpr>) -> Option<(Column, Operator)> {
    let binary = (filter.as_ref() as &dyn Any).downcast_ref::<BinaryExpr>()?;
    let column = |e: &Arc<dyn PhysicalExpr>| (e.as_ref() as &dyn Any).downcast_ref::<Column>().cloned();
    if let Some(column) = column(binary.left()) {
        return number(binary.right()).map(|_| (column, *binary.op()));
    }
    let column = column(binary.right())?;
    number(binary.left())?;
    Some((column, binary.op().swap()?))
}

/// Whether a filter bounds a column on one side and another one of the filters bounds it on the other side, so that NaN
/// cannot match both.
pub(super) fn is_one_of_two_bounds(filter: &Arc<dyn PhysicalExpr>, filters: &[Arc<dyn PhysicalExpr>]) -> bool {
    let is_below = |op: Operator| matches!(op, Operator::Lt | Operator::LtEq);
    let is_above = |op: Operator| matches!(op, Operator::Gt | Operator::GtEq);
    let Some((column, op)) = comparison(filter).filter(|(_, op)| is_below(*op) || is_above(*op)) else { return false };
    let mut others = filters.iter().filter_map(comparison).filter(|(other, _)| *other == column);
    others.any(|(_, other)| is_below(op) && is_above(other) || is_above(op) && is_below(other))
}
