//! `lam_error`: the predicted error of a quantity.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec, token},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL, TOKEN_ARGUMENT},
};
use crate::inference::Output;

pub(super) static SPEC: Spec = Spec {
    name: "lam_error",
    takes_token: true,
    ask: |model, literal| Ok(Ask::One(Output::Error(token(model, literal)?))),
    documentation,
};

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "The 1-sigma error the model predicts for lam_infer of the same arguments. Float32 in the token's physical unit.", "lam_error(context, 'token' [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_infer(xp, 'teff') AS teff, lam_error(xp, 'teff') AS teff_error FROM stars")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("token", TOKEN_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
