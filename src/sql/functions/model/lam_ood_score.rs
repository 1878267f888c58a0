//! `lam_ood_score`: how unlike the training stars a spectrum is.

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
        name: "lam_ood_score",
        section: &SECTION,
        description: "How unlike the stars that the model was trained on a spectrum is, from the coefficients of the \
                  context that the model reads: their Mahalanobis distance from the nearest part of the training \
                  set's distribution, as a standard deviation of the normal distribution. Around or below 0 for a \
                  typical training star, however many coefficients it has, and larger the stranger the spectrum. Give \
                  xp the numbers of relevant bases as in training: what lies beyond them is noise, and strange as \
                  well. The threshold of the model, which `lamcat model info` says, is what few stars like those of \
                  the training set exceed, one in two hundred by default, measured on stars that were left out of a \
                  fit; beyond it lam_flags sets out_of_domain and the results should not be trusted. NULL where the \
                  context has no coefficient that the model's training domain judges, and where the model's file says \
                  nothing of its training stars (see `lamcat model domain`). Float32.",
        example: "SELECT source_id, lam_ood_score(xp) AS ood_score FROM stars ORDER BY ood_score DESC LIMIT 10",
        arguments: &[CONTEXT, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::OodScore)),
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{star, values};

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn a_context_without_coefficients_has_no_score() {
        tester(&SPEC).is_null(values![star(2.5)]);
    }
}
