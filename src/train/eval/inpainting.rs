//! Predictions of one band's coefficients from the other's.

use super::{inputs::InputSet, metrics::Metrics, predictions::Predictions};
use crate::{mad_std, median};

/// Minimum number of stars for the evaluation of a coefficient.
pub(super) const LEAST_STARS: usize = 20;

/// A coefficient predicted from the other band, in units of the token's scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Coefficient {
    /// Its token, e.g. `rp3`.
    pub name: String,
    /// Number of stars that have it.
    pub stars: usize,
    /// Robust standard deviation of truth minus prediction.
    pub mad_std: f64,
    /// The same if the training median is used as the prediction.
    pub mad_std_of_median: f64,
    /// Median predicted sigma.
    pub median_sigma: f64,
    /// Share of stars within 1 `sigma_total`, nominally 0.6827.
    pub within_1_sigma: f64,
    /// Whether the coefficients' own errors are part of `sigma_total`.
    pub with_label_errors: bool,
    /// Number of stars left out because the model's answer was not finite.
    pub not_finite: usize,
}

impl Coefficient {
    /// Evaluates the standardised `predictions` of the coefficient `name`; `None` if there are too few stars.
    pub(super) fn new(name: &str, with_label_errors: bool, predictions: &Predictions) -> Option<Self> {
        if predictions.len() < LEAST_STARS {
            return None;
        }
        let metrics = Metrics::new(predictions)?;
        Some(Self {
            name: name.to_owned(),
            stars: metrics.stars,
            mad_std: metrics.mad_std,
            // The median is 0 in these units, so the residual of predicting it is the truth.
            mad_std_of_median: mad_std(&mut predictions.truth.clone()),
            median_sigma: metrics.median_sigma,
            within_1_sigma: metrics.within[0],
            with_label_errors,
            not_finite: predictions.not_finite,
        })
    }

    /// Returns the ratio of the scatter about the training median to that about the prediction.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.mad_std_of_median / self.mad_std
    }
}

/// The prediction of one band from the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Inpainting {
    /// The inputs, which contain the known band.
    pub inputs: InputSet,
    /// Number of stars that have coefficients in both bands.
    pub stars: usize,
    /// The coefficients that at least 20 stars have, in order.
    pub coefficients: Vec<Coefficient>,
}

impl Inpainting {
    /// The median of the factors of the lowest `n` coefficients: how many times closer the prediction is than the
    /// training median. NaN if there are none.
    #[must_use]
    pub fn factor(&self, n: usize) -> f64 {
        let mut factors: Vec<f64> = self.coefficients.iter().take(n).map(Coefficient::factor).collect();
        median(&mut factors)
    }
}
