//! Coefficients divided by the G flux, as the model needs them.

use super::{
    bands::{COEFFICIENTS_PER_BAND, used},
    passbands::gaia_g,
    photometry::synthetic_mag,
};
use crate::g_flux;

/// Fills `out` (length [`XP_LEN`](super::XP_LEN)) with the coefficients divided by the G flux, NaN where missing.
///
/// A band that is `None`, and coefficients beyond the list or beyond its number of relevant bases, become NaN. Without
/// a magnitude the G flux is computed from the coefficients by synthetic photometry, which needs both bands complete:
/// every given coefficient, before truncation, must be finite. Returns false, and fills `out` with NaN, if there is no
/// positive flux.
pub fn normalise(
    bp: Option<&[f64]>,
    rp: Option<&[f64]>,
    phot_g_mean_mag: Option<f64>,
    relevant: [Option<usize>; 2],
    out: &mut [f32],
) -> bool {
    out.fill(f32::NAN);
    let mag = phot_g_mean_mag
        .filter(|m| m.is_finite())
        .or_else(|| Some(synthetic_mag(bp?, rp?, gaia_g())))
        .filter(|m| m.is_finite());
    let Some(mag) = mag else { return false };
    let flux = g_flux(mag);
    for ((band, relevant), out) in [bp, rp].iter().zip(relevant).zip(out.chunks_exact_mut(COEFFICIENTS_PER_BAND)) {
        let band = band.unwrap_or_default();
        for (o, c) in out.iter_mut().zip(&band[..used(band.len(), relevant)]) {
            *o = (c / flux) as f32;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xp::XP_LEN;

    #[test]
    fn missing_bands_truncation_and_short_lists_become_nan() {
        let mut out = [0.0; XP_LEN];
        let flux = g_flux(15.0);
        assert!(normalise(Some(&[flux; 51]), None, Some(15.0), [Some(3), None], &mut out));
        assert_eq!(&out[..3], [1.0; 3]);
        assert!(out[3..].iter().all(|x| x.is_nan()));
        assert!(normalise(Some(&[flux; 51]), Some(&[flux; 55]), Some(15.0), [None, None], &mut out));
        assert_eq!(out.iter().filter(|x| !x.is_nan()).count(), 51 + 55);
    }

    #[test]
    fn without_a_magnitude_both_bands_are_needed() {
        let mut out = [0.0; XP_LEN];
        assert!(!normalise(Some(&[1.0; 55]), None, None, [None, None], &mut out));
        assert!(!normalise(Some(&[f64::NAN; 55]), Some(&[1.0; 55]), None, [None, None], &mut out));
        assert!(out.iter().all(|x| x.is_nan()));
        let mut bp = [0.0; 55];
        bp[0] = 1e5;
        assert!(normalise(Some(&bp), Some(&bp), None, [None, None], &mut out));
        let mag = synthetic_mag(&bp, &bp, gaia_g());
        assert!((f64::from(out[0]) - 1e5 / g_flux(mag)).abs() < 1e-6);
    }
}
