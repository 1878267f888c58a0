//! `lam_embed`: a star as a vector.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec =
    Spec { name: "lam_embed", takes_token: false, ask: |_, _| Ok(Ask::One(Output::Embed)), documentation };

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "Mean of the model's perception over the tokens that are there: a vector in which similar stars are near. FixedSizeList of Float32, the model's width.", "lam_embed(context [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_embed(xp) AS embedding FROM stars")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
