//! The SQL functions, one per file, each a thin adapter round plain code below.
//!
//! The model's functions (`lam_*` with a context) are planned, not called: see [`crate::planner`]. Their adapter,
//! [`LamUdf`], knows their types and errors, and has a body for the calls the planner cannot place.

mod call;
mod lam_context;
mod lam_embed;
mod lam_error;
mod lam_flags;
mod lam_infer;
mod lam_inpaint;
mod lam_predict;
mod lam_spectrum;
pub mod reference;
mod udf;
mod xp;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use call::{Ask, Call};
pub use lam_context::NAME as LAM_CONTEXT;
pub use udf::{LamUdf, MODEL_ARGUMENT};

use crate::inference::Engine;

/// Every function lamcat adds to SQL.
#[must_use]
pub fn all(engine: &Arc<Engine>) -> Vec<ScalarUDF> {
    let lam = [
        &lam_infer::SPEC,
        &lam_error::SPEC,
        &lam_predict::SPEC,
        &lam_spectrum::SPEC,
        &lam_inpaint::SPEC,
        &lam_embed::SPEC,
        &lam_flags::SPEC,
    ];
    lam.into_iter()
        .map(|spec| ScalarUDF::from(LamUdf::new(spec, engine.clone())))
        .chain([ScalarUDF::from(lam_context::LamContext::new()), ScalarUDF::from(xp::Xp::new())])
        .collect()
}

#[doc = include_str!("sql_reference.md")]
pub mod sql_reference {}
