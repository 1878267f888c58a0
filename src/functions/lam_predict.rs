//! `lam_predict`: several quantities with their errors in one struct.

use arrow::array::{Array, AsArray};
use datafusion::{common::ScalarValue, logical_expr::Documentation};

use super::{
    call::{Ask, Spec, token},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::{
    error::{Error, ErrorKind},
    model::Model,
};

pub(super) static SPEC: Spec = Spec { name: "lam_predict", takes_token: true, ask, documentation };

fn ask(model: &Model, literal: Option<&ScalarValue>) -> Result<Ask, Error> {
    let unusable = || {
        Error::new(ErrorKind::Plan, "the tokens of lam_predict must be a literal list of strings")
            .hint("write e.g. lam_predict(xp, ['teff', 'logg'])")
    };
    let values = match literal {
        Some(ScalarValue::List(list)) if list.len() == 1 => list.values().clone(),
        Some(ScalarValue::LargeList(list)) if list.len() == 1 => list.values().clone(),
        Some(ScalarValue::FixedSizeList(list)) if list.len() == 1 => list.values().clone(),
        _ => return Err(unusable()),
    };
    let names = arrow::compute::cast(&values, &arrow::datatypes::DataType::Utf8).map_err(|_| unusable())?;
    let mut tokens = Vec::new();
    for name in names.as_string::<i32>() {
        let id = token(model, name.map(ScalarValue::from).as_ref())?;
        if tokens.contains(&id) {
            return Err(Error::new(ErrorKind::Plan, "a token is asked twice in one lam_predict")
                .at("token", &model.vocabulary().token(id).name));
        }
        tokens.push(id);
    }
    if tokens.is_empty() { Err(unusable()) } else { Ok(Ask::Predict(tokens)) }
}

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION_MODEL,
        "Predicts several quantities with their 1-sigma errors: Struct {teff, teff_error, logg, logg_error, …} of \
         Float32. The same values as lam_infer and lam_error, computed once.",
        "lam_predict(context, ['token', …] [, model => 'name'])",
    )
    .with_sql_example("SELECT source_id, lam_predict(xp, ['teff', 'logg']) AS labels FROM stars")
    .with_argument("context", CONTEXT_ARGUMENT)
    .with_argument("token", "Literal list of names of the quantities.")
    .with_argument("model", MODEL_ARGUMENT)
    .build()
}
