//! `lam_inpaint`: missing XP coefficients filled in.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec =
    Spec { name: "lam_inpaint", takes_token: false, ask: |_, _| Ok(Ask::One(Output::Inpaint)), documentation };

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "The context's own XP coefficients with the missing ones predicted; measured ones are kept. FixedSizeList of Float32.", "lam_inpaint(xp [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_inpaint(xp(bp_coefficients, NULL, phot_g_mean_mag)) FROM stars")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
