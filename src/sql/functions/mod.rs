//! The SQL functions: those of the model, those of the surveys, and those for the sky and for stars.
//!
//! The functions of the model (`lam_*` with a context) are planned, not called: see [`crate::planner`]. [`ModelCall`]
//! says what such a call requests; [`EngineModels`] computes the calls that the planner cannot place.

mod ask;
mod model;
mod sky;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use ask::Ask;
pub use model::{EngineModels, ModelCall};

use lamcat_core::{
    survey,
    udf::{FunctionSpec, Models},
};
use lamcat_model::inference::Engine;

/// The specifications of lamcat's SQL functions, in the order of the reference.
#[must_use]
pub fn specs() -> Vec<&'static FunctionSpec> {
    let of_surveys = survey::surveys().iter().flat_map(|survey| survey.functions());
    model::functions().into_iter().chain(of_surveys).chain(sky::specs()).collect()
}

/// All functions that lamcat adds to SQL.
#[must_use]
pub fn all(engine: &Arc<Engine>) -> Vec<ScalarUDF> {
    let models: Arc<dyn Models> = Arc::new(EngineModels(engine.clone()));
    let udf = |spec: &'static FunctionSpec| if spec.is_asked() { spec.asking(models.clone()) } else { spec.udf() };
    specs().into_iter().map(udf).collect()
}

/// Whether the function with this name takes pairs `name => value` with arbitrary names.
#[must_use]
pub fn takes_pairs(name: &str) -> bool {
    specs().iter().any(|spec| spec.takes_pairs() && spec.name.eq_ignore_ascii_case(name))
}
