//! `lam_context`: an `xp` list and single tokens merged into one context.

use std::sync::Arc;

use arrow::{
    array::StructArray,
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{call::text, reference::SECTION_MODEL};
use crate::{
    context::XP_FIELD,
    error::{Error, ErrorKind},
};

/// SQL name.
pub const NAME: &str = "lam_context";

/// The function. Its arguments are an optional `xp` list, then pairs of a literal token name and a value; SQL's
/// `name => value` is turned into such pairs before planning.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct LamContext {
    signature: Signature,
    documentation: Documentation,
}

impl LamContext {
    pub(super) fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), documentation: documentation() }
    }
}

/// The struct's fields, from the arguments' types and literals.
fn fields(types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<Fields, Error> {
    let usage = || {
        Error::new(ErrorKind::Plan, "lam_context takes an xp list and then name => value for each token")
            .hint("write e.g. lam_context(xp, bprp => bp_rp, jh => j_h)")
    };
    let mut fields = Vec::new();
    let mut at = 0;
    if types.first().is_some_and(DataType::is_list) {
        fields.push(Field::new(XP_FIELD, types[0].clone(), true));
        at = 1;
    }
    while at < types.len() {
        let name = literals[at].and_then(text).ok_or_else(usage)?;
        let value = types.get(at + 1).ok_or_else(usage)?;
        let data_type = if value.is_null() { DataType::Float32 } else { value.clone() };
        fields.push(Field::new(name, data_type, true));
        at += 2;
    }
    if fields.is_empty() { Err(usage()) } else { Ok(fields.into()) }
}

impl ScalarUDFImpl for LamContext {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{NAME} takes its type from its literal arguments")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        Ok(Arc::new(Field::new(NAME, DataType::Struct(fields(&types, args.scalar_arguments)?), true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let DataType::Struct(fields) = args.return_field.data_type() else {
            return internal_err!("{NAME} returns a struct");
        };
        let skip = args.args.len() % 2;
        let values = args.args.iter().take(skip).chain(args.args.iter().skip(skip).skip(1).step_by(2));
        let columns = values
            .zip(fields)
            .map(|(v, f)| Ok(arrow::compute::cast(&v.to_array(args.number_rows)?, f.data_type())?))
            .collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(fields.clone(), columns, None)?)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION_MODEL,
        "Merges an xp list and single tokens into one context for the other functions. The xp list may be left out.",
        "lam_context(xp, token => value, …)",
    )
    .with_sql_example("SELECT source_id, lam_infer(lam_context(xp, bprp => bp_rp, jh => j_h), 'logg') FROM stars")
    .with_argument("xp", "An xp list (see xp).")
    .with_argument("token => value", "Any token the model knows, with a number in its physical unit.")
    .build()
}
