//! `lam_error`: the predicted error of a quantity.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec};
use lamcat_model::inference::Output;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL, TOKEN},
    call::ModelFunction,
    call::token,
};
use crate::functions::Ask;

pub(super) static SPEC: ModelFunction = ModelFunction {
    spec: FunctionSpec {
        name: "lam_error",
        section: &SECTION,
        description: "The 1-sigma error the model predicts for lam_infer of the same arguments. Float32 in the token's \
                  physical unit.",
        example: "SELECT source_id, lam_infer(xp, 'teff') AS teff, lam_error(xp, 'teff') AS teff_error FROM stars",
        arguments: &[CONTEXT, TOKEN, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |model, literals| Ok(Ask::One(Output::Error(token(model, literals.text(1)?)?))),
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{star, values};

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn errors_are_positive() {
        let error = tester(&SPEC);
        assert!(error.number(values![star(2.5), "teff"]) > 0.0);
        error.is_null(values![star(None), "teff"]);
    }
}
