//! One band's coefficients from the other's.

use super::{inputs::InputSet, metrics::mad_std};

/// Stars below which a coefficient is not judged.
const LEAST_STARS: usize = 20;

/// A coefficient predicted from the other band, in units of the token's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// Its token, e.g. `rp3`.
    pub name: String,
    /// Stars that have it.
    pub stars: usize,
    /// Robust standard deviation of truth minus prediction.
    pub mad_std: f64,
    /// The same where the training median is the prediction.
    pub mad_std_of_median: f64,
    /// Median predicted sigma.
    pub median_sigma: f64,
    /// Share of stars within 1 predicted sigma, nominally 0.6827.
    pub within_1_sigma: f64,
}

impl Coefficient {
    /// How many times the prediction is nearer than the training median.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.mad_std_of_median / self.mad_std
    }
}

/// One band from the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Inpainting {
    /// From which band.
    pub inputs: InputSet,
    /// Stars that have coefficients in both bands.
    pub stars: usize,
    /// The coefficients that at least 20 stars have, in order.
    pub coefficients: Vec<Coefficient>,
}

impl Inpainting {
    /// The median of the factors of the lowest `n` coefficients: how many times nearer the prediction is than the training
    /// median. NaN of none.
    #[must_use]
    pub fn factor(&self, n: usize) -> f64 {
        let mut factors: Vec<f64> = self.coefficients.iter().take(n).map(Coefficient::factor).collect();
        super::metrics::percentile(&mut factors, 50.0)
    }
}

/// What is known of one coefficient of many stars, standardised.
#[derive(Debug, Clone, Default)]
pub(super) struct Standardised {
    truth: Vec<f64>,
    residual: Vec<f64>,
    sigma: Vec<f64>,
}

impl Standardised {
    pub(super) fn push(&mut self, truth: f64, mean: f64, sigma: f64) {
        if mean.is_finite() && sigma.is_finite() {
            self.truth.push(truth);
            self.residual.push(truth - mean);
            self.sigma.push(sigma);
        }
    }

    /// The coefficient's figures; `None` if too few stars have it.
    pub(super) fn judge(mut self, name: &str) -> Option<Coefficient> {
        let stars = self.truth.len();
        if stars < LEAST_STARS {
            return None;
        }
        let inside = self.residual.iter().zip(&self.sigma).filter(|(r, s)| r.abs() <= **s).count();
        Some(Coefficient {
            name: name.to_owned(),
            stars,
            // The median predictor says 0 in these units, so that its residual is the truth.
            mad_std_of_median: mad_std(&mut self.truth),
            mad_std: mad_std(&mut self.residual),
            median_sigma: super::metrics::percentile(&mut self.sigma, 50.0),
            within_1_sigma: inside as f64 / stars as f64,
        })
    }
}
