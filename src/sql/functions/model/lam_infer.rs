//! `lam_infer`: a predicted quantity.

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
        name: "lam_infer",
        section: &SECTION,
        description: "Predicts a quantity from whatever is known of a star. Float32 in the token's physical unit; NULL \
                  where the context holds nothing usable.",
        example: "SELECT source_id, lam_infer(xp, 'teff') AS teff FROM stars",
        arguments: &[CONTEXT, TOKEN, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |model, literals| Ok(Ask::One(Output::Value(token(model, literals.text(1)?)?))),
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{star, values};

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn a_quantity_follows_from_others() {
        let infer = tester(&SPEC);
        let temperature = infer.number(values![star(2.5), "teff"]);
        assert!((3000.0..7000.0).contains(&temperature), "{temperature}");
        infer.is_null(values![star(None), "teff"]);
    }

    #[test]
    fn tokens_and_models_are_those_that_there_are() {
        let infer = tester(&SPEC);
        assert!(infer.error(values![star(2.5), "tef"]).contains("unknown token 'tef'"));
        assert!(infer.error(values![star(2.5), "teff", "none"]).contains("unknown model 'none'"));
        assert!(infer.error(values![star(2.5), 5i64]).starts_with("token of lam_infer must be a literal string"));
    }
}
