//! Finds comparisons of identifiers with values that are not integers: they match too many rows or none, and nobody
//! would notice.

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, Result, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan},
};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::remark;

use super::identifiers::is_identifier;

/// Checks that no two columns of rows to be written have the same name, since readers would find only one of them.
///
/// # Errors
/// If two columns have the same name.
pub fn check_names(schema: &DFSchema) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name().as_str())) {
        None => Ok(()),
        Some(twice) => {
            Err(Error::new(ErrorKind::Plan, format!("two columns of the output are named '{}'", twice.name()))
                .hint("rename one with AS")
                .into())
        }
    }
}

/// Returns an error for a plan that writes two columns of the same name, and for one that compares identifiers with
/// floats or with text that is not a number. Logs a remark for joins of other 64-bit integers with floats.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Copy(copy) = node {
            check_names(copy.input.schema())?;
        }
        if let LogicalPlan::Join(join) = node {
            for (left, right) in &join.on {
                compare(left, right, join.left.schema(), join.right.schema(), true)?;
            }
            join.filter.iter().try_for_each(|filter| check_all(filter, &join.schema, true))?;
        }
        if let LogicalPlan::Filter(filter) = node {
            check_all(&filter.predicate, filter.input.schema(), false)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check_all(condition: &Expr, schema: &DFSchema, joins: bool) -> Result<()> {
    condition.apply(|e| {
        if let Expr::BinaryExpr(BinaryExpr { left, op, right }) = e
            && op.supports_propagation()
        {
            compare(left, right, schema, schema, joins)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Checks the two sides of a comparison.
fn compare(left: &Expr, right: &Expr, of_left: &DFSchema, of_right: &DFSchema, joins: bool) -> Result<()> {
    let (Ok(left_type), Ok(right_type)) = (left.get_type(of_left), right.get_type(of_right)) else { return Ok(()) };
    for (key, key_type, other, other_type) in
        [(left, &left_type, right, &right_type), (right, &right_type, left, &left_type)]
    {
        if !matches!(key_type, DataType::Int64 | DataType::UInt64) || !misses(other, other_type) {
            continue;
        }
        let (shown, what) = (format!("{key} with {other}"), if other_type.is_floating() { "a float" } else { "text" });
        if [key, other].into_iter().any(is_identifier_column) {
            let error = Error::new(ErrorKind::Plan, format!("an identifier is compared with {what}: {shown}"));
            return Err(error.hint(hint(other_type)).into());
        }
        if joins && other_type.is_floating() {
            remark(format!(
                "an integer is joined with {what}: {shown}; floats hold integers of up to 15 digits exactly"
            ));
        }
    }
    Ok(())
}

fn hint(other: &DataType) -> &'static str {
    if other.is_floating() {
        "a float holds 15 to 17 digits of the 19 that an identifier has, so others seem equal: get the table with integers"
    } else {
        "take the digits out of the text: CAST(split_part(designation, ' ', 3) AS BIGINT) for 'Gaia DR3 123'"
    }
}

fn is_identifier_column(e: &Expr) -> bool {
    matches!(e, Expr::Column(column) if is_identifier(&column.name))
}

/// Whether a value of a type may be equal to several 64-bit integers, or can never be equal to one.
fn misses(e: &Expr, data_type: &DataType) -> bool {
    match e {
        Expr::Literal(ScalarValue::Float64(Some(v)), _) => v.abs() > 2f64.powi(53),
        Expr::Literal(value, _) if data_type.is_string() => {
            value.try_as_str().flatten().is_some_and(|text| text.trim().parse::<i128>().is_err())
        }
        _ => data_type.is_floating() || data_type.is_string(),
    }
}
