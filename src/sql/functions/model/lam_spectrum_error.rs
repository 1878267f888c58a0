//! `lam_spectrum_error`: the predicted errors of the whole XP spectrum.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec};
use lamcat_model::inference::Output;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL},
    call::ModelFunction,
};
use crate::functions::Ask;

pub(super) static SPEC: ModelFunction = ModelFunction {
    spec: FunctionSpec {
        name: "lam_spectrum_error",
        section: &SECTION,
        description: "The 1-sigma errors the model predicts for the coefficients of lam_spectrum, each on its own: \
                  nothing is said of their correlations. FixedSizeList of Float32.",
        example: "SELECT lam_spectrum(context) AS spectrum, lam_spectrum_error(context) AS spectrum_error FROM stars",
        arguments: &[CONTEXT, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::SpectrumError)),
};

#[cfg(test)]
mod tests {
    use lamcat_core::{
        schema::Basis,
        udf::tester::{star, values},
    };

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn every_coefficient_has_an_error() {
        let error = tester(&SPEC);
        let errors = error.list(values![star(2.5)]);
        assert!(errors.len() == Basis::unsaid().length() && errors.iter().all(|e| e.is_some_and(|e| e > 0.0)));
        error.is_null(values![star(None)]);
    }
}
