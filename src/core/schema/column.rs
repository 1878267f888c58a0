//! The meaning of the catalogue's columns: unit, UCD and description of every quantity that the model knows.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::basis::Basis;

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
        field_metadata([self.unit, self.ucd, self.description])
    }
}

/// Unit, UCD and description of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// VOUnit; empty when dimensionless.
    #[serde(default)]
    pub unit: String,
    /// UCD1+; empty if none is known.
    #[serde(default)]
    pub ucd: String,
    /// One sentence for a reader of a catalogue; empty if there is none.
    #[serde(default)]
    pub description: String,
}

impl Described {
    /// Describes a token by its name: a coefficient on `basis`, or a quantity that [`column_meta`] knows.
    #[must_use]
    pub fn of(token: &str, basis: &Basis) -> Self {
        if let Some(block) = basis.block_of(token) {
            return Self { unit: String::new(), ucd: block.ucd.clone(), description: block.description.clone() };
        }
        let ColumnMeta { unit, ucd, description } = column_meta(token);
        Self { unit: unit.to_owned(), ucd: ucd.to_owned(), description: description.to_owned() }
    }

    /// As Arrow field metadata: keys `unit`, `ucd`, `description`.
    #[must_use]
    pub fn to_field_metadata(&self) -> HashMap<String, String> {
        field_metadata([&self.unit, &self.ucd, &self.description])
    }
}

fn field_metadata(texts: [&str; 3]) -> HashMap<String, String> {
    let pairs = ["unit", "ucd", "description"].into_iter().zip(texts);
    pairs.filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.to_owned(), text.to_owned())).collect()
}

/// Describes the quantities of Leung & Bovy (2023) other than coefficients; the result is empty for any other name.
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
        _ => ("", "", ""),
    };
    ColumnMeta { unit, ucd, description }
}
