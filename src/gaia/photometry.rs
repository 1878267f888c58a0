//! Gaia's photometric scale.

/// Vega zero point of the G band in e⁻ s⁻¹ (Gaia (E)DR3, Riello et al. 2021, A&A 649, A3).
pub const G_ZERO_POINT: f64 = 25.687_366_867_1;

/// Vega zero point of the BP band in e⁻ s⁻¹ (same source).
pub const BP_ZERO_POINT: f64 = 25.338_542_215_8;

/// Vega zero point of the RP band in e⁻ s⁻¹ (same source).
pub const RP_ZERO_POINT: f64 = 24.747_895_501_2;

/// Returns the flux in e⁻ s⁻¹ of magnitude `mag` in the band with this zero point.
#[must_use]
pub fn flux_from_mag(mag: f64, zero_point: f64) -> f64 {
    let flux = 10f64.powf((zero_point - mag) / 2.5);
    if flux.is_normal() { flux } else { f64::NAN }
}

/// Returns the magnitude of `flux` in e⁻ s⁻¹ in the band with this zero point; NaN if the flux is not positive.
#[must_use]
pub fn mag_from_flux(flux: f64, zero_point: f64) -> f64 {
    if flux > 0.0 { zero_point - 2.5 * flux.log10() } else { f64::NAN }
}

/// Returns the G flux in e⁻ s⁻¹ of magnitude `phot_g_mean_mag`.
#[must_use]
pub fn g_flux(phot_g_mean_mag: f64) -> f64 {
    flux_from_mag(phot_g_mean_mag, G_ZERO_POINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitude_and_flux_are_inverse() {
        for zero_point in [G_ZERO_POINT, BP_ZERO_POINT, RP_ZERO_POINT] {
            assert!((flux_from_mag(zero_point, zero_point) - 1.0).abs() < 1e-15);
            for mag in [-1.5, 3.0, 15.25, 22.0] {
                assert!((mag_from_flux(flux_from_mag(mag, zero_point), zero_point) - mag).abs() < 1e-13);
            }
            assert!(mag_from_flux(0.0, zero_point).is_nan() && mag_from_flux(-1.0, zero_point).is_nan());
        }
    }
}
