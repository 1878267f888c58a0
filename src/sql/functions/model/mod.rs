//! The functions of the model. Those with a context are planned, not called: see [`crate::planner`].

mod arguments;
mod call;

use std::fmt::Write as _;

pub use call::{EngineModels, ModelCall};

use call::ModelFunction;
use lamcat_core::{
    context::flags,
    functions,
    udf::{FunctionSpec, Section},
};

functions! {
    ModelFunction:
    lam_infer,
    lam_error,
    lam_predict,
    lam_spectrum,
    lam_spectrum_error,
    lam_inpaint,
    lam_embed,
    lam_ood_score,
    lam_flags,
}
mod lam_context;

/// The functions of the model and those of its contexts.
pub(super) fn functions() -> Vec<&'static FunctionSpec> {
    specs().into_iter().map(|function| &function.spec).chain([&lam_context::SPEC]).collect()
}

static SECTION: Section = Section {
    label: "Model functions",
    description: "Run a Large Astronomy Model on what is known of a star.",
    appendix: |function| (function == "lam_flags").then(|| ("Flag bits", flag_table())),
};

fn flag_table() -> String {
    let mut text = String::from("| bit | name | meaning |\n|---|---|---|\n");
    for (bit, name, meaning) in flags::all() {
        let _ = writeln!(text, "| {bit} | {name} | {meaning} |");
    }
    text
}

#[cfg(test)]
fn tester(function: &'static ModelFunction) -> lamcat_core::udf::tester::Tester {
    use std::sync::{Arc, OnceLock};

    use lamcat_model::inference::{Engine, EngineOptions};

    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::start(EngineOptions::default()).unwrap()).clone();
    lamcat_core::udf::tester::Tester::of(&function.spec, function.spec.asking(Arc::new(EngineModels(engine))))
}
