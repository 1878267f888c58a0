//! Types, units and UCDs of the columns of Gaia DR3, as given in the headers of the archive's files.

use std::{collections::HashMap, sync::LazyLock};

use lamcat_core::survey::SurveyColumn;

static COLUMNS: LazyLock<HashMap<&str, SurveyColumn>> = LazyLock::new(|| {
    let rows = include_str!("dr3_columns.csv").lines().filter(|l| !l.starts_with('#')).skip(1);
    rows.filter_map(|row| {
        let mut cells = row.split(',');
        let (name, type_name, unit, ucd) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        Some((name, SurveyColumn { type_name, unit, ucd, description: description(name) }))
    })
    .collect()
});

/// Returns the column of `gaia_source` or `xp_continuous_mean_spectrum` with this name.
#[must_use]
pub fn column(name: &str) -> Option<SurveyColumn> {
    COLUMNS.get(name).copied()
}

/// Returns the description of a column of `gaia_source` that catalogues often repeat; empty for the others.
fn description(name: &str) -> &'static str {
    match name {
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
        _ => "",
    }
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
        assert!(column("nothing").is_none());
    }
}
