//! The default unit, UCD and description of an output column, derived from its name, for columns that neither the
//! pipeline file nor the query describes.

use lamcat_core::{
    context::flags,
    schema::{Basis, Described, ERROR_SUFFIX},
    survey,
};
use lamcat_release::summary::FLAGS_COLUMN;

use super::spec::ColumnText;

/// A column-name suffix for the uncertainty of another column.
struct Suffix {
    text: &'static str,
    meaning: &'static str,
    /// Words to put before and after the other column's UCD.
    ucd: [&'static str; 2],
}

const SUFFIXES: [Suffix; 3] = [
    Suffix { text: ERROR_SUFFIX, meaning: "1-sigma error", ucd: ["stat.error;", ""] },
    Suffix { text: "_lower", meaning: "lower end of the central 68 %", ucd: ["", ";stat.min"] },
    Suffix { text: "_upper", meaning: "upper end of the central 68 %", ucd: ["", ";stat.max"] },
];

/// The unit, UCD and description of a column as far as its name determines them. `of` returns what is known about
/// another column, as `teff_error`, `teff_lower` and `teff_upper` depend on `teff`.
pub(super) fn defaults(name: &str, of: impl Fn(&str) -> ColumnText) -> ColumnText {
    let mut text = own(name);
    for Suffix { text: suffix, meaning, ucd: [before, after] } in SUFFIXES {
        if let Some(base) = name.strip_suffix(suffix) {
            let base = of(base);
            text.unit = text.unit.or(base.unit);
            text.ucd = text.ucd.or(base.ucd.map(|ucd| format!("{before}{ucd}{after}")));
            text.description = text.description.or(base.description.map(|d| format!("{d}: {meaning}")));
        }
    }
    text
}

fn own(name: &str) -> ColumnText {
    let text = |unit: &str, ucd: &str, description: &str| ColumnText {
        unit: Some(unit.to_owned()),
        ucd: Some(ucd.to_owned()),
        description: Some(description.to_owned()),
    };
    match name {
        FLAGS_COLUMN => return text("", "meta.code.qual", &flag_bits()),
        "ood_score" => {
            return text(
                "",
                "stat.fit.goodness",
                "How unlike the model's training stars the spectrum is, in standard deviations of a normal distribution",
            );
        }
        "in_training_domain" => {
            let description = "Whether the spectrum is like those of the model's training stars";
            return text("", "meta.code.qual", description);
        }
        _ => {}
    }
    let token = Described::of(name, &Basis::unsaid());
    if !token.description.is_empty() {
        return text(&token.unit, &token.ucd, &token.description);
    }
    let Some(column) = survey::column(name) else { return ColumnText::default() };
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ColumnText { unit: Some(column.unit.to_owned()), ucd: said(column.ucd), description: said(column.description) }
}

/// The bits of `lam_flags` in one sentence.
fn flag_bits() -> String {
    let bits: Vec<String> = flags::all().iter().map(|(bit, name, _)| format!("{bit} {name}")).collect();
    format!("Sum of bits that say what was odd, 0 when nothing was: {}", bits.join(", "))
}
