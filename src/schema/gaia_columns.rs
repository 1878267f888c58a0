//! Types, units and UCDs of the Gaia archive's columns, for files that do not carry them.

use std::{collections::HashMap, sync::LazyLock};

/// A column of Gaia DR3 as the archive's own headers describe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GaiaColumn {
    /// Type in ECSV's words: `int64`, `float32`, `float64[null]` (a list), …
    pub type_name: &'static str,
    /// VOUnit string; empty when dimensionless.
    pub unit: &'static str,
    /// UCD1+ string.
    pub ucd: &'static str,
}

static COLUMNS: LazyLock<HashMap<&str, GaiaColumn>> = LazyLock::new(|| {
    let rows = include_str!("gaia_dr3_columns.csv").lines().filter(|l| !l.starts_with('#')).skip(1);
    rows.filter_map(|row| {
        let mut cells = row.split(',');
        let (name, type_name, unit, ucd) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some((name, GaiaColumn { type_name, unit, ucd }))
    })
    .collect()
});

/// The column of `gaia_source` or `xp_continuous_mean_spectrum` of this name.
#[must_use]
pub fn gaia_column(name: &str) -> Option<GaiaColumn> {
    COLUMNS.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_the_model_needs_are_known() {
        assert_eq!(gaia_column("bp_coefficients").unwrap().type_name, "float64[null]");
        assert_eq!(gaia_column("parallax").unwrap().unit, "mas");
        assert_eq!(gaia_column("phot_g_mean_mag").unwrap().type_name, "float32");
        assert!(COLUMNS.values().all(|c| !c.type_name.is_empty()));
        assert!(gaia_column("nothing").is_none());
    }
}
