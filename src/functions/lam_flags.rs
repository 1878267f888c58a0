//! `lam_flags`: what was odd about a row.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL},
};
use crate::inference::Output;

pub(super) static SPEC: Spec =
    Spec { name: "lam_flags", takes_token: false, ask: |_, _| Ok(Ask::One(Output::Flags)), documentation };

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "Bits that say what was odd about a row's context and the results of the same query, 0 when nothing was. Int32, never NULL. Results are NULL where a bit says so.", "lam_flags(context [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_infer(xp, 'teff') FROM stars WHERE lam_flags(xp) & 96 = 0")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
