//! The SQL reference: every function lamcat adds, from the functions' own documentation.

use std::{fmt::Write as _, sync::Arc};

use datafusion::logical_expr::{DocSection, Documentation, ScalarUDF};

use crate::{
    context::flags,
    functions::{LamUdf, all},
    inference::Engine,
};

pub(super) const SECTION_MODEL: DocSection = DocSection {
    include: true,
    label: "Model functions",
    description: Some("Run a Large Astronomy Model on what is known of a star."),
};
pub(super) const SECTION_XP: DocSection = DocSection {
    include: true,
    label: "XP functions",
    description: Some("Gaia BP/RP spectra as basis-function coefficients."),
};

pub(super) const SECTION_SKY: DocSection = DocSection {
    include: true,
    label: "Gaia and sky functions",
    description: Some(
        "Positions, pixels, brightness, parallax and extinction. Any numeric types are taken; where an argument is \
         NULL, NaN or infinite the result is NULL.",
    ),
};

pub(super) const CONTEXT_ARGUMENT: &str = "What is known of the star: an xp list (see xp), a struct whose fields are \
                                           tokens, e.g. named_struct('teff', 4700, 'logg', 2.5), or lam_context(...).";
pub(super) const TOKEN_ARGUMENT: &str = "Literal name of the quantity, e.g. 'teff', 'logg', 'm_h', 'logebv', 'bp0'.";
pub(super) const MODEL_ARGUMENT: &str = "Literal name of a registered model; the default model if not given.";

/// The documentation of a function.
#[must_use]
pub fn documentation(udf: &ScalarUDF) -> Option<Documentation> {
    let inner: &dyn std::any::Any = udf.inner().as_ref();
    match inner.downcast_ref::<LamUdf>() {
        Some(lam) => Some(lam.reference()),
        None => udf.documentation().cloned(),
    }
}

/// The whole reference as Markdown.
#[must_use]
pub fn markdown(engine: &Arc<Engine>) -> String {
    let mut text = String::from("# SQL functions of lamcat\n");
    let functions: Vec<(String, Documentation)> =
        all(engine).iter().filter_map(|f| Some((f.name().to_owned(), documentation(f)?))).collect();
    for section in [SECTION_MODEL, SECTION_XP, SECTION_SKY] {
        let _ = write!(text, "\n## {}\n\n{}\n", section.label, section.description.unwrap_or_default());
        for (name, doc) in functions.iter().filter(|(_, d)| d.doc_section == section) {
            function(&mut text, name, doc);
        }
        if section == SECTION_MODEL {
            flag_table(&mut text);
        }
    }
    text
}

fn function(text: &mut String, name: &str, doc: &Documentation) {
    let _ = write!(text, "\n### `{name}`\n\n{}\n\n```sql\n{}\n```\n", doc.description, doc.syntax_example);
    for (argument, meaning) in doc.arguments.iter().flatten() {
        let _ = write!(text, "\n- **{argument}**: {meaning}");
    }
    if let Some(example) = &doc.sql_example {
        let _ = write!(text, "\n\nExample:\n\n```sql\n{example}\n```");
    }
    text.push('\n');
}

fn flag_table(text: &mut String) {
    text.push_str("\n### Flag bits of `lam_flags`\n\n| bit | name | meaning |\n|---|---|---|\n");
    for (bit, name, meaning) in flags::ALL {
        let _ = writeln!(text, "| {bit} | {name} | {meaning} |");
    }
}
