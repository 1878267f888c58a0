//! Computes coefficients from a sampled spectrum.
//!
//! A calibrated spectrum f is D c, with the design matrix D of the external calibration. The 110 coefficients are not
//! determined by 343 samples alone, because D is nearly singular. With a Gaussian prior for c (mean m and covariance V
//! of real stars) and independent errors of the samples (variances N), the most probable coefficients are c = m + V Dᵀ
//! (D V Dᵀ + N)⁻¹ (f − D m), a product with a matrix that is prepared once.
//!
//! The prior's stars all have the same G flux, which must not determine that of the spectrum: m mᵀ is added to their
//! covariance, so that the scale is free.

use lamcat_core::{
    cholesky::{cholesky, solve},
    error::{Error, ErrorKind, Result},
};

use super::{matrix::dot, prior::Prior};
use crate::{
    photometry::G_ZERO_POINT,
    xp::{CALIBRATED_SAMPLES, COEFFICIENTS_PER_BAND, Passband, XP_LEN, calibrate, gaia_g, passband, synthetic_flux},
};

/// Error of a sample of a modelled spectrum, relative to the prior's mean flux plus [`FLOOR`] times its maximum.
const SAMPLE_ERROR: f64 = 0.01;
const FLOOR: f64 = 0.02;

/// Gaia's three broad bands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// G.
    G,
    /// BP.
    Bp,
    /// RP.
    Rp,
}

/// The prepared inversion, for spectra of 1 e⁻ s⁻¹ in G.
#[derive(Debug, Clone)]
pub struct Inversion {
    /// Coefficients for a spectrum without flux.
    offset: Vec<f32>,
    /// A matrix of 110 rows and 343 columns.
    matrix: Vec<f32>,
    bands: [BandFlux; 3],
}

/// The flux in a band of the coefficients computed from a spectrum: a weighted sum over the spectrum, plus a constant.
#[derive(Debug, Clone)]
struct BandFlux {
    offset: f32,
    weights: Vec<f32>,
    zero_point: f64,
}

impl Inversion {
    /// Prepares the inversion.
    ///
    /// # Errors
    /// If the prior's covariance is degenerate.
    pub fn new(prior: &Prior) -> Result<Self> {
        let (matrix, offset) = gain(&design(), &prior.mean, &with_free_scale(prior))
            .ok_or_else(|| Error::new(ErrorKind::Input, "the spectra of the prior are degenerate"))?;
        let band = |p: &'static Passband| band_flux(p, &matrix, &offset);
        let named = |name: &str| {
            passband(name).ok_or_else(|| Error::new(ErrorKind::Input, "a passband is unknown").at("band", name))
        };
        let bands = [band(gaia_g()), band(named("BP")?), band(named("RP")?)];
        let single = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
        Ok(Self { offset: single(offset), matrix: single(matrix), bands })
    }

    /// Scales a spectrum (343 samples) so that its coefficients have 1 e⁻ s⁻¹ in G; returns false if it has no positive
    /// flux.
    #[must_use]
    pub fn to_unit_g(&self, flux: &mut [f32]) -> bool {
        let g = &self.bands[0];
        let target = 10f64.powf(-0.4 * (G_ZERO_POINT - g.zero_point)) as f32;
        let scale = (target - g.offset) / dot(&g.weights, flux);
        let usable = scale.is_finite() && scale > 0.0;
        if usable {
            for f in flux {
                *f *= scale;
            }
        }
        usable
    }

    /// Returns the G flux of a spectrum of any scale without the prior's contribution, for ratios.
    #[must_use]
    pub fn relative_g(&self, flux: &[f32]) -> f32 {
        dot(&self.bands[0].weights, flux)
    }

    /// Returns the magnitude in a band of the coefficients of a spectrum with 1 e⁻ s⁻¹ in G.
    #[must_use]
    pub fn magnitude(&self, band: Band, flux: &[f32]) -> f64 {
        let band = &self.bands[band as usize];
        let total = f64::from(band.offset + dot(&band.weights, flux));
        if total > 0.0 { band.zero_point - 2.5 * total.log10() } else { f64::NAN }
    }

    /// Returns the coefficients (55 BP, 55 RP, archive units) of a spectrum with 1 e⁻ s⁻¹ in G.
    #[must_use]
    pub fn coefficients(&self, flux: &[f32]) -> Vec<f32> {
        let rows = self.matrix.chunks_exact(CALIBRATED_SAMPLES);
        rows.zip(&self.offset).map(|(row, offset)| offset + dot(row, flux)).collect()
    }
}

/// Returns the prior's covariance (row-major) with a free scale.
fn with_free_scale(prior: &Prior) -> Vec<f64> {
    let mut covariance = prior.covariance.clone();
    for (row, a) in covariance.chunks_exact_mut(XP_LEN).zip(&prior.mean) {
        row.iter_mut().zip(&prior.mean).for_each(|(v, b)| *v += a * b);
    }
    covariance
}

/// Returns the design matrix of the calibration: 343 rows of 110.
fn design() -> Vec<f64> {
    let mut matrix = vec![0.0; CALIBRATED_SAMPLES * XP_LEN];
    let mut flux = [0.0; CALIBRATED_SAMPLES];
    for i in 0..XP_LEN {
        let unit = unit(i);
        let (bp, rp) = unit.split_at(COEFFICIENTS_PER_BAND);
        calibrate(Some(bp), Some(rp), &mut flux);
        flux.iter().enumerate().for_each(|(sample, f)| matrix[sample * XP_LEN + i] = *f);
    }
    matrix
}

fn unit(i: usize) -> [f64; XP_LEN] {
    let mut unit = [0.0; XP_LEN];
    unit[i] = 1.0;
    unit
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Returns the matrix of the inversion (110 rows of 343), and the coefficients for zero flux.
fn gain(design: &[f64], mean: &[f64], covariance: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let n = CALIBRATED_SAMPLES;
    let rows = || design.chunks_exact(XP_LEN);
    // D V, one row per sample.
    let spread: Vec<f64> = rows().flat_map(|d| covariance.chunks_exact(XP_LEN).map(|v| product(d, v))).collect();
    let expected: Vec<f64> = rows().map(|d| product(d, mean)).collect();
    let floor = FLOOR * expected.iter().fold(0.0, |a: f64, b| a.max(*b));
    let mut total: Vec<f64> = spread.chunks_exact(XP_LEN).flat_map(|s| rows().map(|d| product(s, d))).collect();
    for (i, flux) in expected.iter().enumerate() {
        total[i * n + i] += (SAMPLE_ERROR * (flux.abs() + floor)).powi(2);
    }
    let factor = cholesky(total, n)?;
    let mut matrix = Vec::with_capacity(XP_LEN * n);
    let mut offset = Vec::with_capacity(XP_LEN);
    for (i, mean) in mean.iter().enumerate() {
        let mut row: Vec<f64> = spread.iter().skip(i).step_by(XP_LEN).copied().collect();
        solve(&factor, &mut row);
        offset.push(mean - product(&row, &expected));
        matrix.extend(row);
    }
    Some((matrix, offset))
}

fn band_flux(passband: &Passband, matrix: &[f64], offset: &[f64]) -> BandFlux {
    let flux = |c: &[f64]| {
        let (bp, rp) = c.split_at(COEFFICIENTS_PER_BAND);
        synthetic_flux(bp, rp, passband)
    };
    let constant = flux(&[0.0; XP_LEN]);
    let weights: Vec<f64> = (0..XP_LEN).map(|i| flux(&unit(i)) - constant).collect();
    let sample = |s: usize| {
        let column = matrix.iter().skip(s).step_by(CALIBRATED_SAMPLES);
        weights.iter().zip(column).map(|(w, m)| w * m).sum::<f64>() as f32
    };
    BandFlux {
        offset: flux(offset) as f32,
        weights: (0..CALIBRATED_SAMPLES).map(sample).collect(),
        zero_point: passband.zero_point,
    }
}
