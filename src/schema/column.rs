//! What the catalogue's columns mean: unit, UCD and description of every quantity the model knows.

use std::collections::HashMap;

/// Suffix of the column that holds a predicted 1-sigma error.
pub const ERROR_SUFFIX: &str = "_error";

/// Unit (VOUnit), UCD (IVOA UCD1+) and description of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnMeta {
    /// VOUnit string; empty when dimensionless.
    pub unit: &'static str,
    /// UCD1+ string.
    pub ucd: &'static str,
    /// One sentence for a reader of the catalogue.
    pub description: &'static str,
}

impl ColumnMeta {
    /// As Arrow field metadata: keys `unit`, `ucd`, `description`.
    #[must_use]
    pub fn to_field_metadata(&self) -> HashMap<String, String> {
        [("unit", self.unit), ("ucd", self.ucd), ("description", self.description)]
            .into_iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }
}

/// What is known of a token; XP coefficients share one entry.
#[must_use]
pub fn column_meta(token: &str) -> ColumnMeta {
    let (unit, ucd, description) = match token {
        "teff" => ("K", "phys.temperature.effective", "Effective temperature"),
        "logg" => ("log(cm.s**-2)", "phys.gravity", "Logarithm of the surface gravity"),
        "m_h" => ("", "phys.abund.Z", "Metallicity [M/H] relative to the Sun, in dex"),
        "logebv" => ("", "phys.absorption.gal", "Natural logarithm of the colour excess E(B-V) in magnitudes"),
        "g_fakemag" => ("", "phot.mag;arith", "Parallax in mas times 10^(0.2 G): pseudo-luminosity in the G band"),
        "bprp" => ("mag", "phot.color;em.opt.B;em.opt.R", "Gaia BP - RP colour"),
        "jh" => ("mag", "phot.color;em.IR.J;em.IR.H", "2MASS J - H colour"),
        "jk" => ("mag", "phot.color;em.IR.J;em.IR.K", "2MASS J - Ks colour"),
        t if is_coefficient(t, "bp") => ("", "stat.fit.param;em.opt.B", "G-normalised BP spectrum coefficient"),
        t if is_coefficient(t, "rp") => ("", "stat.fit.param;em.opt.R", "G-normalised RP spectrum coefficient"),
        _ => ("", "", ""),
    };
    ColumnMeta { unit, ucd, description }
}

fn is_coefficient(token: &str, band: &str) -> bool {
    token.strip_prefix(band).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Vocabulary;

    #[test]
    fn every_token_of_the_paper_is_described() {
        for t in Vocabulary::leung_bovy_2023().tokens() {
            assert!(!column_meta(&t.name).description.is_empty(), "{}", t.name);
        }
        assert!(column_meta("bprpx").description.is_empty());
    }
}
