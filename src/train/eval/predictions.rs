//! A model's predictions for stars, with the true values.

/// A model's predictions of one label for many stars, all in one unit: the label's physical unit, or a coefficient's
/// scale. All lists have one entry per star.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predictions {
    /// Known values.
    pub truth: Vec<f64>,
    /// 1-sigma errors of the known values, 0 where unknown.
    pub truth_error: Vec<f64>,
    /// Predicted means.
    pub mean: Vec<f64>,
    /// Predicted 1-sigma errors.
    pub sigma: Vec<f64>,
    /// Number of stars left out because the model's answer was not finite.
    pub not_finite: usize,
}

impl Predictions {
    /// Memory per star in bytes.
    pub(super) const BYTES_PER_STAR: usize = 4 * size_of::<f64>();

    /// Adds a star; a star whose answer is not finite, or whose sigma is not positive, is only counted.
    pub fn push(&mut self, truth: f64, truth_error: f64, mean: f64, sigma: f64) {
        if !mean.is_finite() || !sigma.is_finite() || sigma <= 0.0 {
            self.not_finite += 1;
            return;
        }
        self.truth.push(truth);
        self.truth_error.push(truth_error);
        self.mean.push(mean);
        self.sigma.push(sigma);
    }

    /// Number of stars.
    #[must_use]
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there are no stars.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// Truth minus prediction.
    #[must_use]
    pub fn residuals(&self) -> Vec<f64> {
        self.truth.iter().zip(&self.mean).map(|(truth, mean)| truth - mean).collect()
    }

    /// Residuals over `sigma_total`, which is the predicted sigma and the label's error in quadrature.
    #[must_use]
    pub fn pulls(&self) -> Vec<f64> {
        let sigmas = self.sigma.iter().zip(&self.truth_error).map(|(s, e)| s.hypot(*e));
        self.residuals().into_iter().zip(sigmas).map(|(residual, sigma)| residual / sigma).collect()
    }
}
