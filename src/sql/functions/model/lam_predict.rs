//! `lam_predict`: several quantities with their errors in one struct.

use datafusion::logical_expr::Volatility;
use lamcat_core::{
    error::{Error, ErrorKind},
    udf::{Argument, ArgumentKind, Body, FunctionSpec, Literals},
};
use lamcat_model::Model;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL},
    call::ModelFunction,
    call::token,
};
use crate::functions::Ask;

pub(super) static SPEC: ModelFunction = ModelFunction {
    spec: FunctionSpec {
        name: "lam_predict",
        section: &SECTION,
        description: "Predicts several quantities with their 1-sigma errors: Struct {teff, teff_error, logg, logg_error, \
                  …} of Float32. The same values as lam_infer and lam_error, computed once.",
        example: "SELECT source_id, lam_predict(xp, ['teff', 'logg']) AS labels FROM stars",
        arguments: &[
            CONTEXT,
            Argument::new("token", ArgumentKind::Texts, "Literal list of names of the quantities."),
            MODEL,
        ],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask,
};

fn ask(model: &Model, literals: &Literals) -> Result<Ask, Error> {
    let mut tokens = Vec::new();
    for name in literals.texts(1)? {
        let id = token(model, &name)?;
        if tokens.contains(&id) {
            return Err(Error::new(ErrorKind::Plan, "a token is asked twice in one lam_predict")
                .at("token", &model.vocabulary().token(id).name));
        }
        tokens.push(id);
    }
    Ok(Ask::Predict(tokens))
}

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{star, texts, values};

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn values_and_errors_are_side_by_side() {
        let predict = tester(&SPEC).may_be_null([0]);
        let predicted = predict.list(values![star(2.5), texts(&["teff", "m_h"])]);
        assert!(predicted.len() == 4 && predicted.iter().all(Option::is_some));
        assert!(predict.list(values![star(None), texts(&["teff"])]).iter().all(Option::is_none));
    }

    #[test]
    fn tokens_are_a_list_of_different_names() {
        let predict = tester(&SPEC);
        let error = |tokens: &[&str]| predict.error(values![star(2.5), texts(tokens)]);
        assert!(error(&["teff", "teff"]).starts_with("a token is asked twice in one lam_predict (token teff)"));
        assert!(error(&[]).starts_with("token of lam_predict must be a literal list of strings\n"));
        assert!(predict.error(values![star(2.5), "teff"]).contains("must be a literal list of strings, not Utf8"));
    }
}
