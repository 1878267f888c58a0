//! The unit, UCD and description that an output column has by its name, where neither the pipeline file nor the query
//! says what it is.

use super::spec::ColumnText;
use crate::{
    context::flags,
    release::summary::FLAGS_COLUMN,
    schema::{Basis, Described, ERROR_SUFFIX, gaia_column},
};

/// A suffix of columns that say how sure another one is.
struct Suffix {
    text: &'static str,
    meaning: &'static str,
    /// Words before and after the other column's UCD.
    ucd: [&'static str; 2],
}

const SUFFIXES: [Suffix; 3] = [
    Suffix { text: ERROR_SUFFIX, meaning: "1-sigma error", ucd: ["stat.error;", ""] },
    Suffix { text: "_lower", meaning: "lower end of the central 68 %", ucd: ["", ";stat.min"] },
    Suffix { text: "_upper", meaning: "upper end of the central 68 %", ucd: ["", ";stat.max"] },
];

/// Unit, UCD and description of a column as far as its name tells; `of` gives what is known of another column, on which
/// `teff_error`, `teff_lower` and `teff_upper` are built.
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
    let Some(gaia) = gaia_column(name) else { return ColumnText::default() };
    ColumnText {
        unit: Some(gaia.unit.to_owned()),
        ucd: Some(gaia.ucd.to_owned()).filter(|ucd| !ucd.is_empty()),
        description: gaia_description(name).map(str::to_owned),
    }
}

/// The bits of `lam_flags` in one sentence.
fn flag_bits() -> String {
    let bits: Vec<String> = flags::all().iter().map(|(bit, name, _)| format!("{bit} {name}")).collect();
    format!("Sum of bits that say what was odd, 0 when nothing was: {}", bits.join(", "))
}

/// What columns of `gaia_source` are that catalogues often repeat.
fn gaia_description(name: &str) -> Option<&'static str> {
    Some(match name {
        "source_id" => "Gaia's identifier of the source, unique within a data release",
        "ra" => "Right ascension (ICRS) at the epoch of Gaia's data release",
        "dec" => "Declination (ICRS) at the epoch of Gaia's data release",
        "parallax" => "Parallax",
        "pmra" => "Proper motion in right ascension, times cos(dec)",
        "pmdec" => "Proper motion in declination",
        "ruwe" => "Renormalised unit weight error of the astrometric solution",
        "phot_g_mean_mag" => "Mean magnitude in Gaia's G band (Vega)",
        "phot_bp_mean_mag" => "Mean magnitude in Gaia's BP band (Vega)",
        "phot_rp_mean_mag" => "Mean magnitude in Gaia's RP band (Vega)",
        "bp_rp" => "Gaia's BP - RP colour",
        "radial_velocity" => "Radial velocity by Gaia's spectrometer",
        "l" => "Galactic longitude",
        "b" => "Galactic latitude",
        "random_index" => "Gaia's random index, for samples",
        "bp_n_relevant_bases" => "BP coefficients that are significant",
        "rp_n_relevant_bases" => "RP coefficients that are significant",
        _ => return None,
    })
}
