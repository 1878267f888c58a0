//! `lam_ood_score`: how unlike the training stars a spectrum is.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec =
    Spec { name: "lam_ood_score", takes_token: false, ask: |_, _| Ok(Ask::One(Output::OodScore)), documentation };

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "How unlike the stars that the model was trained on a spectrum is, from the coefficients of the context that the model reads: their Mahalanobis distance from the nearest part of the training set's distribution, as a standard deviation of the normal distribution. Around or below 0 for a typical training star, however many coefficients it has, and larger the stranger the spectrum. Give xp the numbers of relevant bases as in training: what lies beyond them is noise, and strange as well. The threshold of the model, which `lamcat model info` says, is what few stars like those of the training set exceed, one in two hundred by default, measured on stars that were left out of a fit; beyond it lam_flags sets out_of_domain and the results should not be trusted. NULL where the context has no coefficient that the model's training domain judges, and where the model's file says nothing of its training stars (see `lamcat model domain`). Float32.", "lam_ood_score(context [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_ood_score(xp) AS ood_score FROM stars ORDER BY ood_score DESC LIMIT 10")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
