//! `lam_spectrum_error`: the predicted errors of the whole XP spectrum.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec = Spec {
    name: "lam_spectrum_error",
    takes_token: false,
    ask: |_, _| Ok(Ask::One(Output::SpectrumError)),
    documentation,
};

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION_MODEL,
        "The 1-sigma errors the model predicts for the coefficients of lam_spectrum, each on its own: nothing is said of \
         their correlations. FixedSizeList of Float32.",
        "lam_spectrum_error(context [, model => 'name'])",
    )
    .with_sql_example(
        "SELECT lam_spectrum(context) AS spectrum, lam_spectrum_error(context) AS spectrum_error FROM stars",
    )
    .with_argument("context", CONTEXT_ARGUMENT)
    .with_argument("model", MODEL_ARGUMENT)
    .build()
}
