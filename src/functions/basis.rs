//! The basis of functions that a spectrum's coefficients belong to. Gaia's releases differ in it, and coefficients of one mean
//! nothing in another: a plausible number would come out.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray},
    compute::cast,
    datatypes::{DataType, FieldRef, Int64Type},
};
use datafusion::{
    common::{
        Column, DFSchema, Result, internal_err,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::{
        ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility, expr::ScalarFunction, expr_rewriter::NamePreserver,
    },
};

use super::xp_udf::XpUdf;
use crate::error::{Error, ErrorKind};

/// Coefficients of a BP spectrum of Gaia DR4; in DR3 both bands have 55.
pub(super) const OTHER_BASIS: usize = 51;
/// What names the basis of a band's coefficients, and that of Gaia DR3.
const BASES: [(&str, &str, i64); 2] = [("bp_", "bp_basis_function_id", 56), ("rp_", "rp_basis_function_id", 57)];
const HINT: &str = "the models and the tables of xp_* are for spectra of Gaia DR3, with 55 coefficients a band on the bases 56 (BP) \
                    and 57 (RP): use those; where 51 of a DR3 spectrum were kept, fill the list up to 55 with NULL";

/// The error of a list of coefficients that is as long as those of another release.
pub(super) fn other_length(name: &str) -> Error {
    Error::new(ErrorKind::Plan, format!("{name} has {OTHER_BASIS} coefficients, as spectra of Gaia DR4 have"))
        .hint(HINT)
}

/// The plan with calls of XP functions that look at the basis of their coefficients, where the table says it.
pub(crate) fn with_bases_checked(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(plan.transform_up_with_subqueries(check_node)?.data)
}

fn check_node(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let has_call = |e: &Expr| e.exists(|e| Ok(as_call(e).is_some()));
    let inputs = node.inputs();
    let [input] = inputs.as_slice() else { return Ok(Transformed::no(node)) };
    let schema = input.schema().clone();
    let knows = BASES.iter().any(|(_, id, _)| schema.fields().iter().any(|f| f.name() == id));
    if !knows || !node.expressions().iter().map(has_call).collect::<Result<Vec<_>>>()?.contains(&true) {
        return Ok(Transformed::no(node));
    }
    let preserver = NamePreserver::new(&node);
    let node = node.map_expressions(|e| {
        let name = preserver.save(&e);
        Ok(e.transform_up(|e| Ok(check_call(e, &schema)))?.update_data(|e| name.restore(e)))
    })?;
    node.map_data(LogicalPlan::recompute_schema)
}

fn as_call(e: &Expr) -> Option<&ScalarFunction> {
    let Expr::ScalarFunction(call) = e else { return None };
    (call.func.inner().as_ref() as &dyn std::any::Any).is::<XpUdf>().then_some(call)
}

/// The call with its coefficients looked at.
fn check_call(e: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let Some(call) = as_call(&e) else { return Transformed::no(e) };
    let (func, args) = (call.func.clone(), call.args.clone());
    let args = args.into_iter().map(|arg| checked(arg, schema)).collect();
    Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args }))
}

fn checked(arg: Expr, schema: &DFSchema) -> Expr {
    let Expr::Column(column) = &arg else { return arg };
    let Some((_, id, basis)) =
        BASES.iter().find(|(band, ..)| column.name.starts_with(band) && column.name.contains("coefficient"))
    else {
        return arg;
    };
    let id = Column::new(column.relation.clone(), *id);
    if !schema.has_column(&id) {
        return arg;
    }
    let check = ScalarUDF::from(OnBasis { basis: *basis, signature: Signature::any(2, Volatility::Immutable) });
    Expr::ScalarFunction(ScalarFunction { func: Arc::new(check), args: vec![arg, Expr::Column(id)] })
}

/// Gives its first argument, coefficients; an error if the second says that they are on another basis.
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
                Err(Error::new(ErrorKind::Input, message).hint(HINT).into())
            }
        }
    }
}
