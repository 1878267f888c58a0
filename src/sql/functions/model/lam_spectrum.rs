//! `lam_spectrum`: the whole XP spectrum as the model sees it.

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
        name: "lam_spectrum",
        section: &SECTION,
        description: "Predicts every XP coefficient: all BP, then all RP, normalised by the G flux. FixedSizeList of \
                  Float32.",
        example: "SELECT lam_spectrum(named_struct('teff', 4700, 'logg', 2.5, 'm_h', -0.2, 'logebv', -3.0))",
        arguments: &[CONTEXT, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::Spectrum)),
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
    fn a_spectrum_has_every_coefficient() {
        let spectrum = tester(&SPEC);
        let coefficients = spectrum.list(values![star(2.5)]);
        assert!(coefficients.len() == Basis::unsaid().length() && coefficients.iter().all(Option::is_some));
        spectrum.is_null(values![star(None)]);
    }
}
