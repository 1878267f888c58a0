//! Luminosity from parallax and apparent magnitude.

use std::f64::consts::LN_10;

/// Returns the pseudo-luminosity `parallax · 10^(0.2 mag)` (Leung & Bovy 2023, MNRAS 527, 1494), with the parallax in
/// mas. It is proportional to the square root of the inverse luminosity, and also defined for negative parallaxes.
#[must_use]
pub fn fakemag(parallax: f64, mag: f64) -> f64 {
    parallax * power_of_ten(0.2 * mag)
}

/// Returns the 1-sigma error of [`fakemag`] to first order, with parallax and its error in mas; the errors of parallax
/// and magnitude are taken as independent.
#[must_use]
pub fn fakemag_error(parallax: f64, parallax_error: f64, mag: f64, mag_error: f64) -> f64 {
    if parallax_error < 0.0 || mag_error < 0.0 {
        return f64::NAN;
    }
    fakemag(parallax_error, mag).hypot(0.2 * LN_10 * fakemag(parallax, mag) * mag_error)
}

/// Returns the absolute magnitude `mag + 5 log10(parallax / 100 mas) − extinction`; NaN if the parallax is not
/// positive.
#[must_use]
pub fn absmag(parallax: f64, mag: f64, extinction: f64) -> f64 {
    if parallax > 0.0 { mag + 5.0 * (parallax / 100.0).log10() - extinction } else { f64::NAN }
}

/// Returns ten to a power; NaN if the result is too small for a float, so that a magnitude of -9999 for "none" does not
/// become a luminosity of 0.
fn power_of_ten(power: f64) -> f64 {
    Some(10f64.powf(power)).filter(|v| v.is_normal()).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fakemag_is_the_distance_modulus_in_disguise() {
        let (parallax, mag) = (2.5, 12.0);
        let expected = 5.0 * (fakemag(parallax, mag) / 100.0).log10();
        assert!((absmag(parallax, mag, 0.0) - expected).abs() < 1e-12);
        assert!((absmag(parallax, mag, 0.3) - (expected - 0.3)).abs() < 1e-12);
        assert!((absmag(100.0, 4.83, 0.0) - 4.83).abs() < 1e-15);
        assert!((fakemag(-1.0, 10.0) + 100.0).abs() < 1e-12);
        assert!(fakemag(1.0, -9999.0).is_nan() && fakemag(1.0, 9999.0).is_nan());
        assert!(fakemag_error(1.0, -0.1, 10.0, 0.0).is_nan() && fakemag_error(1.0, 0.1, 10.0, -1.0).is_nan());
        assert!(absmag(0.0, 1.0, 0.0).is_nan() && absmag(-1.0, 1.0, 0.0).is_nan());
    }

    #[test]
    fn the_error_is_the_slope_of_fakemag() {
        let (parallax, mag, step) = (1.7, 14.0, 1e-6);
        let by_parallax = (fakemag(parallax + step, mag) - fakemag(parallax - step, mag)) / (2.0 * step);
        let by_mag = (fakemag(parallax, mag + step) - fakemag(parallax, mag - step)) / (2.0 * step);
        assert!((fakemag_error(parallax, 0.03, mag, 0.0) / (0.03 * by_parallax) - 1.0).abs() < 1e-8);
        assert!((fakemag_error(-parallax, 0.0, mag, 0.01) / (0.01 * by_mag) - 1.0).abs() < 1e-8);
    }
}
