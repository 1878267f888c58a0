//! Errors of parallaxes and magnitudes as published by the missions.

use super::inversion::Band;

/// Returns the 1-sigma error in mas of a parallax of Gaia DR3 for G in mag: sqrt(40 + 800 z + 30 z²) µas with z =
/// 10^(0.4 (G − 15)), as on ESA's page on Gaia's science performance and in the package PyGaia; but at least 18 µas,
/// the median of real bright stars (G 9 to 14), for which the published formula stops at 13.
#[must_use]
pub fn parallax_error(g: f64) -> f64 {
    let z = 10f64.powf(0.4 * (g - 15.0));
    (1e-3 * (40.0 + 800.0 * z + 30.0 * z * z).sqrt()).max(BRIGHT_PARALLAX_ERROR)
}

/// Minimum error of a parallax in mas.
const BRIGHT_PARALLAX_ERROR: f64 = 0.018;

/// The values of G for which the typical errors of magnitudes are given in Gaia Collaboration, Brown et al. (2021, A&A
/// 649, A1), table 1.
const G_POINTS: [f64; 3] = [13.0, 17.0, 20.0];

/// Returns the 1-sigma error in mag of a source's mean magnitude in a band for its G in mag: the published typical
/// errors at G 13, 17 and 20, interpolated linearly in the logarithm between them, and constant below 13.
#[must_use]
pub fn magnitude_error(band: Band, g: f64) -> f64 {
    let millimag: [f64; 3] = match band {
        Band::G => [0.3, 1.0, 6.0],
        Band::Bp => [0.9, 12.0, 108.0],
        Band::Rp => [0.6, 6.0, 52.0],
    };
    let left = usize::from(g > G_POINTS[1]);
    let share = ((g - G_POINTS[left]) / (G_POINTS[left + 1] - G_POINTS[left])).max(0.0);
    1e-3 * millimag[left] * (millimag[left + 1] / millimag[left]).powf(share)
}

/// Magnitudes of J, H and Ks at which 2MASS has a signal-to-noise ratio of 10 (Skrutskie et al. 2006, AJ 131, 1163).
const TWO_MASS_LIMITS: [f64; 3] = [15.8, 15.1, 14.3];
/// Error of bright stars in 2MASS in mag (same source).
const TWO_MASS_FLOOR: f64 = 0.02;

/// Returns the 1-sigma errors in mag for these magnitudes of J, H and Ks: that of bright stars, combined with that of
/// the sky's noise.
#[must_use]
pub fn two_mass_error(mags: [f64; 3]) -> [f64; 3] {
    let error = |i: usize| {
        let sky = 0.1 * 2.5 / std::f64::consts::LN_10 * 10f64.powf(0.4 * (mags[i] - TWO_MASS_LIMITS[i]));
        TWO_MASS_FLOOR.hypot(sky)
    };
    [0, 1, 2].map(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_those_published_and_grow() {
        assert!((parallax_error(8.0) - parallax_error(13.0)).abs() < 1e-15);
        assert!((parallax_error(15.0) - 0.0295).abs() < 1e-4);
        for band in [Band::G, Band::Bp, Band::Rp] {
            let errors: Vec<f64> = [6.0, 13.0, 15.0, 17.0, 18.0, 20.0].map(|g| magnitude_error(band, g)).to_vec();
            assert!(errors.is_sorted() && (errors[0] - errors[1]).abs() < 1e-15, "{errors:?}");
        }
        assert!((magnitude_error(Band::Bp, 17.0) - 0.012).abs() < 1e-12);
        assert!((magnitude_error(Band::Bp, 20.0) - 0.108).abs() < 1e-12);
        assert!(two_mass_error(TWO_MASS_LIMITS).iter().all(|e| (e - 0.11).abs() < 2e-3));
    }
}
