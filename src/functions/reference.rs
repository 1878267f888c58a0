//! The SQL reference: every function lamcat adds, from the functions' own documentation. [`crate::docs::sql`] has its pages.

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
    for (section, functions) in sections(engine) {
        let _ = write!(text, "\n## {}\n\n{}\n", section.label, section.description.unwrap_or_default());
        for (name, doc) in &functions {
            text.push('\n');
            function(&mut text, "###", name, doc);
        }
    }
    text
}

/// The reference as Markdown pages, with their file names: one for each function, and `README.md`, which lists them.
#[must_use]
pub fn pages(engine: &Arc<Engine>) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let mut index = format!("# SQL functions\n\n{INDEX}\n");
    for (section, functions) in sections(engine) {
        let _ = write!(index, "\n## {}\n\n{}\n", section.label, section.description.unwrap_or_default());
        index.push_str("\n| function | |\n|---|---|\n");
        for (name, doc) in &functions {
            let mut page = String::new();
            function(&mut page, "#", name, doc);
            pages.push((format!("{name}.md"), page));
            let _ = writeln!(index, "| [`{name}`]({name}.md) | {} |", first_sentence(&doc.description));
        }
    }
    pages.push(("README.md".to_owned(), index));
    pages
}

const INDEX: &str = "\
A page for each function that lamcat adds to those of DataFusion, made from the functions' own documentation;
`lamcat functions` prints all of them. In the examples `stars` has the columns of Gaia's `gaia_source` and
`xp_continuous_mean_spectrum`, and `xp`, which is `xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)`. A test runs every example.";

/// The functions that have documentation, by section.
fn sections(engine: &Arc<Engine>) -> Vec<(DocSection, Vec<(String, Documentation)>)> {
    let functions: Vec<(String, Documentation)> =
        all(engine).iter().filter_map(|f| Some((f.name().to_owned(), documentation(f)?))).collect();
    let of = |section: &DocSection| functions.iter().filter(|(_, d)| d.doc_section == *section).cloned().collect();
    [SECTION_MODEL, SECTION_XP, SECTION_SKY].map(|section| (section.clone(), of(&section))).into()
}

/// The documentation of a function under a heading of a level.
fn function(text: &mut String, heading: &str, name: &str, doc: &Documentation) {
    let _ = write!(text, "{heading} `{name}`\n\n{}\n\n```text\n{}\n```\n", doc.description, doc.syntax_example);
    for (argument, meaning) in doc.arguments.iter().flatten() {
        let _ = write!(text, "\n- **{argument}**: {meaning}");
    }
    if let Some(example) = &doc.sql_example {
        let _ = write!(text, "\n\nExample:\n\n```sql\n{example}\n```");
    }
    text.push('\n');
    if name == "lam_flags" {
        flag_table(text, heading);
    }
}

/// The first sentence of a description, up to a full stop, colon or semicolon; not that of an abbreviation.
fn first_sentence(description: &str) -> &str {
    let ends = |(at, stop): &(usize, &str)| {
        *stop != ". " || description[at + stop.len()..].starts_with(|c: char| c.is_uppercase())
    };
    let stops = [". ", ": ", "; "].iter().filter_map(|stop| description.match_indices(stop).find(ends));
    let end = stops.map(|(at, _)| at).min().unwrap_or(description.len());
    description[..end].trim_end_matches('.')
}

fn flag_table(text: &mut String, heading: &str) {
    let _ = write!(text, "\n{heading}# Flag bits\n\n| bit | name | meaning |\n|---|---|---|\n");
    for (bit, name, meaning) in flags::ALL {
        let _ = writeln!(text, "| {bit} | {name} | {meaning} |");
    }
}
