//! `lam_context`: merges an `xp` list and single tokens into one context.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StructArray},
    compute::cast,
    datatypes::{DataType, Field},
};
use datafusion::{
    common::{Result, internal_err},
    logical_expr::Volatility,
};
use lamcat_core::{
    context::XP_FIELD,
    error::{Error, ErrorKind},
    udf::{Argument, ArgumentKind, Arguments, Body, Call, FunctionSpec},
};

use super::SECTION;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "lam_context",
    section: &SECTION,
    description: "Merges an xp list and single tokens into one context for the other functions. The xp list may be \
                  left out.",
    example: "SELECT source_id, lam_infer(lam_context(xp, bprp => bp_rp, jh => j_h), 'logg') FROM stars",
    arguments: &[
        Argument::new("xp", ArgumentKind::Any, "An xp list (see xp)."),
        Argument::new(
            "token => value",
            ArgumentKind::Pairs,
            "Any token the model knows, with a number in its physical unit.",
        ),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed { returns, evaluate, can_fail: false },
};

/// A struct with one field for the list, if there is a list, and one for each pair of a name and a value.
fn returns(call: &Call) -> Result<Field, Error> {
    let usage = || {
        Error::new(ErrorKind::Plan, "lam_context takes an xp list and then name => value for each token")
            .hint("write e.g. lam_context(xp, bprp => bp_rp, jh => j_h)")
    };
    let mut fields = Vec::new();
    let mut at = 0;
    if let Some(list) = call.fields.first().filter(|field| field.data_type().is_list()) {
        fields.push(Field::new(XP_FIELD, list.data_type().clone(), true));
        at = 1;
    }
    while at < call.fields.len() {
        let name = call.literals.text(at).map_err(|_| usage())?;
        let value = call.fields.get(at + 1).ok_or_else(usage)?.data_type();
        let data_type = if value.is_null() { DataType::Float32 } else { value.clone() };
        fields.push(Field::new(name, data_type, true));
        at += 2;
    }
    if fields.is_empty() { Err(usage()) } else { Ok(Field::new("context", DataType::Struct(fields.into()), true)) }
}

fn evaluate(arguments: &Arguments) -> Result<ArrayRef> {
    let DataType::Struct(fields) = arguments.field().data_type() else {
        return internal_err!("a context is a struct");
    };
    let values = arguments.values();
    let (list, pairs) = values.split_at(values.len() % 2);
    let columns = list
        .iter()
        .chain(pairs.iter().skip(1).step_by(2))
        .zip(fields)
        .map(|(value, field)| Ok(cast(&value.to_array(arguments.rows)?, field.data_type())?));
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns.collect::<Result<_>>()?, None)?))
}

#[cfg(test)]
mod tests {
    use datafusion::common::ScalarValue;
    use lamcat_core::udf::tester::{Tester, list, values};

    use super::*;

    #[test]
    fn a_list_and_pairs_become_one_struct() {
        let context = Tester::new(&SPEC).may_be_null([0, 1, 2, 3]);
        assert_eq!(context.list(values![list(&[1.0, 2.0]), "jh", 0.5]), [Some(1.0), Some(2.0), Some(0.5)]);
        assert_eq!(context.list(values!["jh", 0.5, "jk", 1i64]), [Some(0.5), Some(1.0)]);
        assert_eq!(context.list(values!["jh", ScalarValue::Null]), [None]);
    }

    #[test]
    fn every_name_has_a_value() {
        let context = Tester::new(&SPEC);
        for wrong in [vec![], values!["jh"].to_vec(), values![list(&[1.0]), 0.5].to_vec()] {
            assert!(context.error(wrong).starts_with("lam_context takes an xp list and then name => value"));
        }
    }
}
