//! Types, units and UCDs of the columns of Gaia DR3, as given in the headers of the archive's files.

use std::{collections::HashMap, sync::LazyLock};

use lamcat_core::survey::SurveyColumn;

/// Columns of `gaia_source` that are joined to spectra by default: positions, astrometry with the columns that the parallax
/// zero point needs, and photometry.
pub(super) const JOINED: [&str; 17] = [
    "ra",
    "ra_error",
    "dec",
    "dec_error",
    "parallax",
    "parallax_error",
    "pmra",
    "pmdec",
    "ruwe",
    "astrometric_params_solved",
    "nu_eff_used_in_astrometry",
    "pseudocolour",
    "ecl_lat",
    "phot_g_mean_mag",
    "phot_bp_mean_mag",
    "phot_rp_mean_mag",
    "bp_rp",
];

static COLUMNS: LazyLock<HashMap<&str, SurveyColumn>> = LazyLock::new(|| {
    let rows = include_str!("dr3_columns.csv").lines().filter(|l| !l.starts_with('#')).skip(1);
    rows.map(|row| {
        let mut cells = row.splitn(5, ',');
        let [name, type_name, unit, ucd, description] = std::array::from_fn(|_| cells.next().unwrap_or_default());
        (name, SurveyColumn { type_name, unit, ucd, description })
    })
    .collect()
});

/// Returns the column of `gaia_source` or `xp_continuous_mean_spectrum` with this name.
#[must_use]
pub fn column(name: &str) -> Option<SurveyColumn> {
    COLUMNS.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_the_model_needs_are_known() {
        assert_eq!(column("bp_coefficients").unwrap().type_name, "float64[null]");
        assert_eq!(column("parallax").unwrap().unit, "mas");
        assert_eq!(column("phot_g_mean_mag").unwrap().type_name, "float32");
        assert!(COLUMNS.values().all(|c| !c.type_name.is_empty()));
        assert_eq!(column("pmra").unwrap().description, "Proper motion in right ascension, times cos(dec)");
        assert!(column("nothing").is_none());
    }
}
