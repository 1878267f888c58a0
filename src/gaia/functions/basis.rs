//! Checks the basis of functions to which a spectrum's coefficients belong. It differs between Gaia's releases, and
//! coefficients have no meaning on another basis: the result would be a plausible but wrong number.

use std::{any::Any, sync::Arc};

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::{DataType, FieldRef, Int64Type},
};
use datafusion::{
    common::{
        Column, DFSchema, Result, internal_err,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
    },
};
use lamcat_core::{
    error::{Error, ErrorKind},
    udf::{Argument, ArgumentKind, SqlFunction},
};

use super::xp_arguments::COEFFICIENTS;
use crate::BASIS_HINT;

/// The prefix of a band's column names, the column that identifies the band's basis, and the basis of Gaia DR3.
const BASES: [(&str, &str, i64); 2] = [("bp_", "bp_basis_function_id", 56), ("rp_", "rp_basis_function_id", 57)];

/// Makes calls of XP functions check the basis of their coefficients if a table states it: at the call, and where a
/// subquery drops the column that identifies the basis.
pub(crate) fn with_bases_checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut calls = false;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|e| {
            calls |= e.exists(|e| Ok(as_call(e).is_some()))?;
            Ok(if calls { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })
    })?;
    if calls { Ok(plan.transform_up_with_subqueries(check_node)?.data) } else { Ok(plan) }
}

fn check_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let inputs = node.inputs();
    let [input] = inputs.as_slice() else { return Ok(Transformed::no(node)) };
    let schema = input.schema().clone();
    if !BASES.iter().any(|(_, id, _)| names(&schema, id)) {
        return Ok(Transformed::no(node));
    }
    // The basis columns that are dropped here, so that nothing above can check them.
    let is_lost = |id: &str| matches!(node, LogicalPlan::Projection(_)) && !names(node.schema(), id);
    let lost: Vec<&str> = BASES.iter().map(|(_, id, _)| *id).filter(|id| is_lost(id)).collect();
    let preserver = NamePreserver::new(&node);
    let node = node.map_expressions(|e| {
        let name = preserver.save(&e);
        let checked = e.transform_up(|e| check_call(e, &schema))?;
        let checked = checked.transform_data(|e| check_columns(e, &schema, |id| lost.contains(&id)))?;
        Ok(checked.update_data(|e| name.restore(e)))
    })?;
    node.map_data(LogicalPlan::recompute_schema)
}

fn names(schema: &DFSchema, column: &str) -> bool {
    schema.fields().iter().any(|field| field.name() == column)
}

fn as_call(e: &Expr) -> Option<&ScalarFunction> {
    let Expr::ScalarFunction(call) = e else { return None };
    takes_coefficients(call).then_some(call)
}

fn takes_coefficients(call: &ScalarFunction) -> bool {
    let is_list = |argument: &Argument| match argument.kind {
        ArgumentKind::List(Some(rule)) => std::ptr::eq(rule, &raw const COEFFICIENTS),
        _ => false,
    };
    SqlFunction::of(&call.func)
        .map(SqlFunction::spec)
        .is_some_and(|function| function.is_asked() || function.arguments.iter().any(is_list))
}

/// Makes a call check the basis of its coefficients.
fn check_call(e: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some(call) = as_call(&e) else { return Ok(Transformed::no(e)) };
    let (func, args) = (call.func.clone(), call.args.clone());
    let args = args.into_iter().map(|arg| Ok(check_columns(arg, schema, |_| true)?.data)).collect::<Result<_>>()?;
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
}

/// Makes an expression check the basis of the coefficients in it, if `meant` is true for the column that identifies the
/// basis.
fn check_columns(e: Expr, schema: &DFSchema, meant: impl Fn(&str) -> bool) -> Result<Transformed<Expr>> {
    e.transform_down(|e| {
        // The inside of these has already been handled.
        let is_done = match &e {
            Expr::ScalarFunction(call) => {
                takes_coefficients(call) || (call.func.inner().as_ref() as &dyn Any).is::<OnBasis>()
            }
            _ => false,
        };
        if is_done {
            return Ok(Transformed::new(e, false, TreeNodeRecursion::Jump));
        }
        let Expr::Column(column) = &e else { return Ok(Transformed::no(e)) };
        let band =
            |(band, ..): &&(&str, &str, i64)| column.name.starts_with(*band) && column.name.contains("coefficient");
        let Some((_, id, basis)) = BASES.iter().find(band).filter(|(_, id, _)| meant(id)) else {
            return Ok(Transformed::no(e));
        };
        let Some(id) = basis_column(column, id, schema) else { return Ok(Transformed::no(e)) };
        let check = ScalarUDF::from(OnBasis { basis: *basis, signature: Signature::any(2, Volatility::Immutable) });
        let call = ScalarFunction { func: Arc::new(check), args: vec![e, Expr::Column(id)] };
        Ok(Transformed::new(Expr::ScalarFunction(call), true, TreeNodeRecursion::Jump))
    })
}

/// Returns the column that identifies the basis of another column: that of the same table, otherwise the only one that
/// exists.
fn basis_column(column: &Column, id: &str, schema: &DFSchema) -> Option<Column> {
    let own = Column::new(column.relation.clone(), id);
    if schema.has_column(&own) {
        return Some(own);
    }
    let mut all = schema.iter().filter(|(_, field)| field.name() == id);
    let (relation, _) = all.next().filter(|_| all.next().is_none())?;
    Some(Column::new(relation.cloned(), id))
}

/// Returns its first argument, coefficients; it is an error if the second argument says that they are on another basis.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnBasis {
    basis: i64,
    signature: Signature,
}

impl ScalarUDFImpl for OnBasis {
    fn name(&self) -> &'static str {
        "xp_on_basis"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let Some(coefficients) = types.first() else { return internal_err!("there are no coefficients") };
        Ok(coefficients.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(coefficients) = args.arg_fields.first() else { return internal_err!("there are no coefficients") };
        Ok(coefficients.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [coefficients, ids] = args.args.as_slice() else { return internal_err!("there are two arguments") };
        let lists = coefficients.to_array(args.number_rows)?;
        let ids = cast(&ids.to_array(args.number_rows)?, &DataType::Int64)?;
        let ids = ids.as_primitive::<Int64Type>();
        let other =
            (0..ids.len()).find(|row| lists.is_valid(*row) && ids.is_valid(*row) && ids.value(*row) != self.basis);
        match other {
            None => Ok(coefficients.clone()),
            Some(row) => {
                let message = format!(
                    "a spectrum is on the basis {}, not on {} as those of Gaia DR3",
                    ids.value(row),
                    self.basis
                );
                Err(Error::new(ErrorKind::Input, message).hint(BASIS_HINT).into())
            }
        }
    }
}
