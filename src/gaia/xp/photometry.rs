//! Synthetic photometry from XP coefficients (Gaia Collaboration, Montegriffo et al. 2023, A&A 674, A33): the flux
//! through a band is a weighted sum of the coefficients.
//!
//! The coefficients are up to 55 of BP and 55 of RP, as given by the archive; those that are not given are taken as
//! zero, and a NaN makes the result NaN. For a passband of a standardised system the results are standardised, with its
//! offset and its colour equation. Errors are those of the coefficients, without the factors of the paper's table of
//! corrections.

use std::f64::consts::LN_10;

use super::{
    bands::{COEFFICIENTS_PER_BAND, dot},
    covariance::Covariance,
    passbands::Passband,
};

/// Returns the mean flux density in `passband`, in its own unit.
#[must_use]
pub fn synthetic_flux(bp: &[f64], rp: &[f64], passband: &Passband) -> f64 {
    if passband.colour_equation.is_none() {
        return plain_flux(bp, rp, passband);
    }
    flux_of(synthetic_mag(bp, rp, passband), passband)
}

/// Returns the magnitude in `passband`; NaN if the flux is not positive.
#[must_use]
pub fn synthetic_mag(bp: &[f64], rp: &[f64], passband: &Passband) -> f64 {
    let mag = |p: &Passband| mag_of(plain_flux(bp, rp, p), p);
    let correction = passband.colour_bands().map_or(0.0, |(equation, [a, b])| equation.correction(mag(a) - mag(b)));
    mag(passband) + correction
}

/// Returns the 1-sigma error of [`synthetic_flux`], from the covariances of the coefficients of BP and RP.
#[must_use]
pub fn synthetic_flux_error(bp: &[f64], rp: &[f64], covariances: [Covariance; 2], passband: &Passband) -> f64 {
    if passband.colour_equation.is_none() {
        return plain_error(bp, rp, covariances, passband);
    }
    let flux = synthetic_flux(bp, rp, passband);
    synthetic_mag_error(bp, rp, covariances, passband) * flux * LN_10 / 2.5
}

/// Returns the 1-sigma error of [`synthetic_mag`]; NaN if the flux is not positive.
#[must_use]
pub fn synthetic_mag_error(bp: &[f64], rp: &[f64], covariances: [Covariance; 2], passband: &Passband) -> f64 {
    let plain = |p: &Passband| {
        let flux = plain_flux(bp, rp, p);
        let error = 2.5 / LN_10 * plain_error(bp, rp, covariances, p) / flux;
        if flux > 0.0 { error } else { f64::NAN }
    };
    let Some((equation, [a, b])) = passband.colour_bands() else { return plain(passband) };
    let colour = mag_of(plain_flux(bp, rp, a), a) - mag_of(plain_flux(bp, rp, b), b);
    let correction = plain(a).hypot(plain(b)) * equation.slope(colour).abs();
    plain(passband).hypot(correction)
}

/// Returns the flux without a colour equation.
fn plain_flux(bp: &[f64], rp: &[f64], passband: &Passband) -> f64 {
    raw_flux(bp, rp, passband) + passband.offset
}

fn raw_flux(bp: &[f64], rp: &[f64], passband: &Passband) -> f64 {
    let (bp_weights, rp_weights) = passband.weights.split_at(COEFFICIENTS_PER_BAND);
    dot(bp, bp_weights) + dot(rp, rp_weights)
}

/// Returns the error of [`plain_flux`]; its relative error is that of the flux without the offset.
fn plain_error(bp: &[f64], rp: &[f64], covariances: [Covariance; 2], passband: &Passband) -> f64 {
    let (bp_weights, rp_weights) = passband.weights.split_at(COEFFICIENTS_PER_BAND);
    let variance = covariances[0].variance(bp_weights) + covariances[1].variance(rp_weights);
    let raw = raw_flux(bp, rp, passband);
    variance.sqrt() * ((raw + passband.offset) / raw).abs()
}

fn mag_of(flux: f64, passband: &Passband) -> f64 {
    if flux > 0.0 { -2.5 * flux.log10() + passband.zero_point } else { f64::NAN }
}

fn flux_of(mag: f64, passband: &Passband) -> f64 {
    10f64.powf(-0.4 * (mag - passband.zero_point))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xp::{gaia_g, passband, passbands};

    fn star() -> [f64; 55] {
        let mut c = [0.0; 55];
        c[0] = 1e5;
        c
    }

    #[test]
    fn a_source_without_flux_has_no_magnitude() {
        assert!(synthetic_mag(&[0.0; 55], &[0.0; 55], gaia_g()).is_nan());
        assert!(synthetic_mag(&[-1.0], &[], passband("BP").unwrap()).is_nan());
    }

    #[test]
    fn flux_and_magnitude_agree_in_every_band() {
        let c = star();
        for p in passbands() {
            let (flux, mag) = (synthetic_flux(&c, &c, p), synthetic_mag(&c, &c, p));
            assert!(mag.is_nan() == (flux <= 0.0 || flux.is_nan()), "{}", p.name());
            assert!(mag.is_nan() || (flux_of(mag, p) - flux).abs() < 1e-9 * flux, "{}", p.name());
        }
    }

    #[test]
    fn errors_grow_with_the_coefficients_errors() {
        let c = star();
        let (one, two, independent) = ([1.0; 55], [2.0; 55], [0.0; 1485]);
        let one = Covariance::new(Some(&one), Some(&independent), None).unwrap().unwrap();
        let two = Covariance::new(Some(&two), Some(&independent), None).unwrap().unwrap();
        for name in ["G", "JkcStd_U", "JkcStd_V", "Panstarrs1Std_ip"] {
            let p = passband(name).unwrap();
            let small = synthetic_flux_error(&c, &c, [one; 2], p);
            let large = synthetic_flux_error(&c, &c, [two; 2], p);
            assert!(small > 0.0 && (large / small - 2.0).abs() < 1e-9, "{name}: {small} {large}");
            let mag = synthetic_mag_error(&c, &c, [one; 2], p);
            assert!((mag * LN_10 / 2.5 - small / synthetic_flux(&c, &c, p)).abs() < 1e-12, "{name}");
        }
    }
}
