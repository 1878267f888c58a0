//! Generates the SQL reference of every function that lamcat adds from the functions' own documentation.

use std::fmt::Write as _;

use super::spec::{FunctionSpec, Section};

/// Returns the reference of `functions` as Markdown: a chapter per section, in the order of first occurrence.
#[must_use]
pub fn markdown(functions: &[&'static FunctionSpec]) -> String {
    let mut text = String::from("# SQL functions of lamcat\n");
    for (section, functions) in sections(functions) {
        let _ = write!(text, "\n## {}\n\n{}\n", section.label, section.description);
        for function in functions {
            text.push('\n');
            text.push_str(&page(function, "###"));
        }
    }
    text
}

/// Returns the reference as Markdown pages with their file names: one per function, and `README.md`, which lists them.
#[must_use]
pub fn pages(functions: &[&'static FunctionSpec]) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let mut index = format!("# SQL functions\n\n{INDEX}\n");
    for (section, functions) in sections(functions) {
        let _ = write!(index, "\n## {}\n\n{}\n", section.label, section.description);
        index.push_str("\n| function | |\n|---|---|\n");
        for function in functions {
            let FunctionSpec { name, description, .. } = function;
            pages.push((format!("{name}.md"), page(function, "#")));
            let _ = writeln!(index, "| [`{name}`]({name}.md) | {} |", first_sentence(description));
        }
    }
    pages.push(("README.md".to_owned(), index));
    pages
}

const INDEX: &str = "\
A page for each function that lamcat adds to those of DataFusion, made from the functions' own documentation;
`lamcat functions` prints all of them. In the examples `stars` has the columns of Gaia's `gaia_source` and
`xp_continuous_mean_spectrum`, and `xp`, which is `xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)`. A test runs every example.";

/// Groups the functions by section.
fn sections(functions: &[&'static FunctionSpec]) -> Vec<(&'static Section, Vec<&'static FunctionSpec>)> {
    let mut sections: Vec<(&Section, Vec<_>)> = Vec::new();
    for function in functions {
        match sections.iter_mut().find(|(section, _)| section.label == function.section.label) {
            Some((_, listed)) => listed.push(*function),
            None => sections.push((function.section, vec![*function])),
        }
    }
    sections
}

/// Returns the documentation of a function under a heading of the given level.
fn page(function: &FunctionSpec, heading: &str) -> String {
    let FunctionSpec { name, description, example, arguments, section, .. } = function;
    let mut text = format!("{heading} `{name}`\n\n{description}\n\n```text\n{}\n```\n", function.syntax());
    for argument in *arguments {
        let _ = write!(text, "\n- **{}**: {}", argument.name, argument.meaning);
    }
    let _ = write!(text, "\n\nExample:\n\n```sql\n{example}\n```\n");
    if let Some((title, table)) = (section.appendix)(name) {
        let _ = write!(text, "\n{heading}# {title}\n\n{table}");
    }
    text
}

/// Returns the first sentence of a description, up to a full stop, colon or semicolon; the full stop of an abbreviation
/// does not end it.
fn first_sentence(description: &str) -> &str {
    let ends = |(at, stop): &(usize, &str)| {
        *stop != ". " || description[at + stop.len()..].starts_with(|c: char| c.is_uppercase())
    };
    let stops = [". ", ": ", "; "].iter().filter_map(|stop| description.match_indices(stop).find(ends));
    let end = stops.map(|(at, _)| at).min().unwrap_or(description.len());
    description[..end].trim_end_matches('.')
}
