//! Gaia's photometric scale.

/// Vega zero point of the G band in e⁻ s⁻¹ (Gaia EDR3, Riello et al. 2021, A&A 649, A3).
const G_ZERO_POINT: f64 = 25.687_366_867_1;

/// G flux in e⁻ s⁻¹ of magnitude `phot_g_mean_mag`.
#[must_use]
pub fn g_flux(phot_g_mean_mag: f64) -> f64 {
    10f64.powf((G_ZERO_POINT - phot_g_mean_mag) / 2.5)
}
