//! Internally calibrated spectra: flux as a function of pseudo-wavelength (De Angeli et al. 2023, A&A 674, A2).

use std::{f64::consts::PI, sync::LazyLock};

use super::{
    bands::{COEFFICIENTS_PER_BAND, dot},
    covariance::Covariance,
    tables::numbers,
};

/// Pseudo-wavelengths at which a spectrum can be sampled, in pixels.
pub const PSEUDO_WAVELENGTH_RANGE: (f64, f64) = (-10.0, 70.0);

/// One of the two low-resolution spectrographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Photometer {
    /// The blue one, 330 to 680 nm.
    Bp,
    /// The red one, 640 to 1050 nm.
    Rp,
}

/// Ranges and transformations of the two bands' bases: see `tables/generate.py`.
static TABLE: LazyLock<Vec<f64>> = LazyLock::new(|| numbers(include_bytes!("tables/bases.bin")));

const BAND_LEN: usize = 4 + COEFFICIENTS_PER_BAND * COEFFICIENTS_PER_BAND;

/// The basis functions of a photometer at chosen pseudo-wavelengths.
#[derive(Debug, Clone)]
pub struct Sampling {
    /// A row of 55 values of basis functions for each sample.
    design: Vec<f64>,
}

impl Sampling {
    /// Evaluates the basis functions at pseudo-wavelengths in pixels; NaN for those outside
    /// [`PSEUDO_WAVELENGTH_RANGE`].
    #[must_use]
    pub fn new(photometer: Photometer, pseudo_wavelengths: &[f64]) -> Self {
        let table = &TABLE[photometer as usize * BAND_LEN..][..BAND_LEN];
        let (ranges, transformation) = table.split_at(4);
        let scale = (ranges[3] - ranges[2]) / (ranges[1] - ranges[0]);
        let offset = ranges[2] - ranges[0] * scale;
        let mut design = Vec::with_capacity(pseudo_wavelengths.len() * COEFFICIENTS_PER_BAND);
        for position in pseudo_wavelengths {
            let inside = (PSEUDO_WAVELENGTH_RANGE.0..=PSEUDO_WAVELENGTH_RANGE.1).contains(position);
            let functions = hermite_functions(if inside { position * scale + offset } else { f64::NAN });
            design.extend(transformation.chunks_exact(COEFFICIENTS_PER_BAND).map(|row| dot(row, &functions)));
        }
        Self { design }
    }

    /// Returns the flux in e⁻ s⁻¹ at each sample from up to 55 coefficients; those that are not given are taken as
    /// zero.
    pub fn flux(&self, coefficients: &[f64]) -> impl Iterator<Item = f64> {
        self.design.chunks_exact(COEFFICIENTS_PER_BAND).map(|bases| dot(coefficients, bases))
    }

    /// Returns the 1-sigma error of the flux in e⁻ s⁻¹ at each sample.
    pub fn error(&self, covariance: Covariance) -> impl Iterator<Item = f64> {
        self.design.chunks_exact(COEFFICIENTS_PER_BAND).map(move |bases| covariance.variance(bases).sqrt())
    }
}

/// Returns the first 55 Hermite functions, orthonormal on the real line.
fn hermite_functions(x: f64) -> [f64; COEFFICIENTS_PER_BAND] {
    let mut h = [PI.powf(-0.25) * (-x * x / 2.0).exp(); COEFFICIENTS_PER_BAND];
    h[1] *= 2f64.sqrt() * x;
    for n in 2..h.len() {
        let order = n as f64;
        h[n] = (2.0 / order).sqrt() * x * h[n - 1] - ((order - 1.0) / order).sqrt() * h[n - 2];
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hermite_functions_are_orthonormal() {
        let step = 0.05;
        let mut products = [[0.0; 3]; 3];
        let chosen = [0, 53, 54];
        for i in -400..=400 {
            let h = hermite_functions(f64::from(i) * step);
            for (row, a) in products.iter_mut().zip(chosen) {
                row.iter_mut().zip(chosen).for_each(|(p, b)| *p += step * h[a] * h[b]);
            }
        }
        for (i, row) in products.iter().enumerate() {
            for (j, p) in row.iter().enumerate() {
                assert!((p - f64::from(u8::from(i == j))).abs() < 1e-9, "{i} {j} {p}");
            }
        }
    }

    #[test]
    fn samples_outside_the_range_are_nan() {
        assert_eq!(TABLE.len(), 2 * BAND_LEN);
        let sampling = Sampling::new(Photometer::Rp, &[-10.5, -10.0, 30.0, 70.0, 71.0, f64::NAN]);
        let nan: Vec<bool> = sampling.flux(&[1.0]).map(f64::is_nan).collect();
        assert_eq!(nan, [true, false, false, false, true, true]);
    }

    #[test]
    fn a_single_error_scales_with_its_base() {
        let sampling = Sampling::new(Photometer::Bp, &[20.0, 30.0]);
        let covariance = Covariance::new(Some(&[3.0]), Some(&[]), None).unwrap().unwrap();
        for (flux, error) in sampling.flux(&[1.0]).zip(sampling.error(covariance)) {
            assert!((error - 3.0 * flux.abs()).abs() < 1e-12 * error);
        }
    }
}
