//! `lam_spectrum`: the whole XP spectrum as the model sees it.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec =
    Spec { name: "lam_spectrum", takes_token: false, ask: |_, _| Ok(Ask::One(Output::Spectrum)), documentation };

fn documentation() -> Documentation {
    Documentation::builder(
        SECTION_MODEL,
        "Predicts every XP coefficient: all BP, then all RP, normalised by the G flux. FixedSizeList of Float32.",
        "lam_spectrum(context [, model => 'name'])",
    )
    .with_sql_example("SELECT lam_spectrum(named_struct('teff', 4700, 'logg', 2.5, 'm_h', -0.2, 'logebv', -3.0))")
    .with_argument("context", CONTEXT_ARGUMENT)
    .with_argument("model", MODEL_ARGUMENT)
    .build()
}
