//! Synthetic photometry in Gaia's own bands from XP coefficients (Gaia Collaboration, Montegriffo et al. 2023,
//! A&A 674, A33): the flux through a band is a weighted sum of the coefficients.

use std::sync::LazyLock;

use super::normalise::COEFFICIENTS_PER_BAND;

/// A Gaia DR3 passband, Vega magnitudes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// The broad white-light band.
    G,
    /// The blue photometer.
    Bp,
    /// The red photometer.
    Rp,
}

struct Table {
    zero_point: [f64; 3],
    weights: Vec<[f64; 3]>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut rows = include_str!("tables/gaia_dr3_bands.csv").lines().filter(|l| !l.starts_with('#')).skip(1).map(row);
    let zero_point = rows.next().unwrap_or_default();
    Table { zero_point, weights: rows.collect() }
});

fn row(line: &str) -> [f64; 3] {
    let mut values = line.split(',').skip(1).map(|v| v.parse().unwrap_or(f64::NAN));
    std::array::from_fn(|_| values.next().unwrap_or(f64::NAN))
}

/// Flux through `band` in W m⁻² from up to 55 BP and 55 RP coefficients as the archive gives them; coefficients that
/// are not given count as zero, a NaN makes the flux NaN.
#[must_use]
pub fn synthetic_flux(bp: &[f64], rp: &[f64], band: Band) -> f64 {
    let (bp_weights, rp_weights) = TABLE.weights.split_at(COEFFICIENTS_PER_BAND);
    let dot = |c: &[f64], w: &[[f64; 3]]| c.iter().zip(w).map(|(c, w)| c * w[band as usize]).sum::<f64>();
    dot(bp, bp_weights) + dot(rp, rp_weights)
}

/// Magnitude in `band`; NaN where the flux is not positive.
#[must_use]
pub fn synthetic_mag(bp: &[f64], rp: &[f64], band: Band) -> f64 {
    let flux = synthetic_flux(bp, rp, band);
    if flux > 0.0 { -2.5 * flux.log10() + TABLE.zero_point[band as usize] } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete() {
        assert_eq!(TABLE.weights.len(), 2 * COEFFICIENTS_PER_BAND);
        assert!(TABLE.weights.iter().flatten().chain(&TABLE.zero_point).all(|w| w.is_finite()));
        assert!((TABLE.zero_point[0] + 26.4899).abs() < 1e-9);
    }

    #[test]
    fn a_source_without_flux_has_no_magnitude() {
        assert!(synthetic_mag(&[0.0; 55], &[0.0; 55], Band::G).is_nan());
        assert!(synthetic_mag(&[-1.0], &[], Band::Bp).is_nan());
    }
}
