//! The functions of the model. Those with a context are planned, not called: see [`crate::planner`].

mod arguments;
mod call;

use std::fmt::Write as _;

pub use call::ModelCall;

use super::{Section, functions};
use crate::context::flags;

functions! {
    lam_infer,
    lam_error,
    lam_predict,
    lam_spectrum,
    lam_spectrum_error,
    lam_inpaint,
    lam_embed,
    lam_ood_score,
    lam_flags,
    lam_context,
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
