//! Externally calibrated spectra: flux as a function of wavelength (Montegriffo et al. 2023, A&A 674, A3).

use std::sync::LazyLock;

use super::{
    bands::{COEFFICIENTS_PER_BAND, dot},
    covariance::Covariance,
    tables::numbers,
};

/// Number of samples of a calibrated spectrum.
pub const CALIBRATED_SAMPLES: usize = 343;

/// A spectrum with BP only ends below this wavelength in nm, where BP ends.
const BP_END_NM: f64 = 643.0;

/// A spectrum with RP only begins above this wavelength in nm, where RP begins.
const RP_START_NM: f64 = 635.0;

/// A table of [`CALIBRATED_SAMPLES`] wavelengths, followed by the merge weights of BP and RP, and by their design
/// matrices.
static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| numbers(include_bytes!("tables/calibration.bin")));

/// Wavelengths of a calibrated spectrum in nm: 336 to 1020 in steps of 2.
#[must_use]
pub fn wavelengths_nm() -> &'static [f64] {
    &TABLE[..CALIBRATED_SAMPLES]
}

/// Returns the flux at a sample of a coefficient of 1 for each basis function, in W m⁻² nm⁻¹.
fn design(band: usize, sample: usize) -> &'static [f64] {
    let start = 3 * CALIBRATED_SAMPLES + (band * CALIBRATED_SAMPLES + sample) * COEFFICIENTS_PER_BAND;
    &TABLE[start..start + COEFFICIENTS_PER_BAND]
}

/// Returns the weights of BP and RP at a sample: if both are present, they are blended from 635 to 643 nm; one alone
/// has full weight in its own range, and outside it there is no flux (`None`).
fn merge(present: [bool; 2], sample: usize) -> Option<[f64; 2]> {
    let wavelength = wavelengths_nm()[sample];
    match present {
        [true, true] => Some([TABLE[CALIBRATED_SAMPLES + sample], TABLE[2 * CALIBRATED_SAMPLES + sample]]),
        [true, false] => (wavelength < BP_END_NM).then_some([1.0, 0.0]),
        [false, true] => (wavelength > RP_START_NM).then_some([0.0, 1.0]),
        [false, false] => None,
    }
}

/// Fills `out` with `sum(band, weight, sample)` over the bands with a weight; NaN if there is none.
fn sample(present: [bool; 2], out: &mut [f64], sum: impl Fn(usize, f64, usize) -> f64) {
    for (sample, out) in out.iter_mut().enumerate() {
        *out = merge(present, sample).map_or(f64::NAN, |weights| {
            weights.into_iter().enumerate().filter(|(_, w)| *w > 0.0).map(|(band, w)| sum(band, w, sample)).sum()
        });
    }
}

/// Fills `out` ([`CALIBRATED_SAMPLES`] values) with the flux in W m⁻² nm⁻¹ from up to 55 coefficients of each band, in
/// the archive's units; coefficients that are not given are taken as zero.
///
/// If one band is missing, the spectrum is that of the other one, and NaN outside its range (BP below 643 nm, RP above
/// 635 nm); if both are missing, it is NaN.
pub fn calibrate(bp: Option<&[f64]>, rp: Option<&[f64]>, out: &mut [f64]) {
    let bands = [bp, rp];
    sample(bands.map(|b| b.is_some()), out, |band, weight, sample| {
        weight * dot(bands[band].unwrap_or_default(), design(band, sample))
    });
}

/// Fills `out` ([`CALIBRATED_SAMPLES`] values) with the 1-sigma error of the flux in W m⁻² nm⁻¹; a missing band is
/// treated as in [`calibrate`].
///
/// GaiaXPy divides the errors by the standard deviation of the fit and multiplies the result by it, so it cancels.
pub fn calibrate_error(bp: Option<Covariance>, rp: Option<Covariance>, out: &mut [f64]) {
    let bands = [bp, rp];
    sample(bands.map(|b| b.is_some()), out, |band, weight, sample| {
        weight * weight * bands[band].map_or(0.0, |c| c.variance(design(band, sample)))
    });
    for v in out {
        *v = v.sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete() {
        assert_eq!(TABLE.len(), CALIBRATED_SAMPLES * (3 + 2 * COEFFICIENTS_PER_BAND));
        assert!(TABLE.iter().all(|v| v.is_finite()));
        let step = wavelengths_nm().windows(2).all(|w| (w[1] - w[0] - 2.0).abs() < 1e-9);
        assert!(step && (wavelengths_nm()[0] - 336.0).abs() < 1e-9);
        let [bp, rp] = merge([true; 2], (638 - 336) / 2).unwrap();
        assert!((bp - 5.0 / 8.0).abs() < 1e-9 && (rp - 3.0 / 8.0).abs() < 1e-9, "{bp} {rp}");
    }

    #[test]
    fn both_bands_are_blended_and_one_alone_covers_its_own_range() {
        let c = [1000.0; 55];
        let (mut both, mut bp, mut rp) = ([0.0; 343], [0.0; 343], [0.0; 343]);
        calibrate(Some(&c), Some(&c), &mut both);
        calibrate(Some(&c), None, &mut bp);
        calibrate(None, Some(&c), &mut rp);
        for (i, wavelength) in wavelengths_nm().iter().enumerate() {
            assert_eq!(bp[i].is_nan(), *wavelength >= 643.0);
            assert_eq!(rp[i].is_nan(), *wavelength <= 635.0);
            let part = |own: f64, weight: f64| if own.is_nan() { 0.0 } else { weight * own };
            let weight = ((wavelength - 635.0) / 8.0).clamp(0.0, 1.0);
            let sum = part(bp[i], 1.0 - weight) + part(rp[i], weight);
            assert!((both[i] - sum).abs() <= 1e-12 * sum.abs(), "{wavelength}: {} {sum}", both[i]);
        }
        calibrate(None, None, &mut both);
        assert!(both.iter().all(|f| f.is_nan()));
    }
}
