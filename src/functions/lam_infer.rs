//! `lam_infer`: a predicted quantity.

use datafusion::logical_expr::Documentation;

use super::{
    call::{Ask, Spec, token},
    reference::{CONTEXT_ARGUMENT, MODEL_ARGUMENT, SECTION_MODEL, TOKEN_ARGUMENT},
};
use crate::inference::Output;

pub(super) static SPEC: Spec = Spec {
    name: "lam_infer",
    takes_token: true,
    ask: |model, literal| Ok(Ask::One(Output::Value(token(model, literal)?))),
    documentation,
};

fn documentation() -> Documentation {
    Documentation::builder(SECTION_MODEL, "Predicts a quantity from whatever is known of a star. Float32 in the token's physical unit; NULL where the context holds nothing usable.", "lam_infer(context, 'token' [, model => 'name'])")
        .with_sql_example("SELECT source_id, lam_infer(xp, 'teff') AS teff FROM stars")
        .with_argument("context", CONTEXT_ARGUMENT)
        .with_argument("token", TOKEN_ARGUMENT)
        .with_argument("model", MODEL_ARGUMENT)
        .build()
}
