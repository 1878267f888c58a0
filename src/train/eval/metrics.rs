//! Robust statistics of residuals, and of how well the predicted errors describe them.

use candle_core::cpu::erf::erfc_f64;

use super::predictions::Predictions;
use crate::{mad_std, median};

/// Number of bins in the histogram of the probability integral transform, equal over [0, 1].
pub const PIT_BINS: usize = 20;

/// The accuracy of a label's predictions, in the label's unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Number of stars.
    pub stars: usize,
    /// Robust standard deviation of truth minus prediction.
    pub mad_std: f64,
    /// Median of truth minus prediction.
    pub bias: f64,
    /// 2.5th, 16th, 84th and 97.5th percentiles of truth minus prediction.
    pub percentiles: [f64; 4],
    /// Median predicted sigma.
    pub median_sigma: f64,
    /// Robust standard deviation of the residuals over `sigma_total`: 1 if the errors are right, larger if they are too
    /// small.
    pub pull_mad_std: f64,
    /// Share of stars within 1 and 2 `sigma_total`, nominally 0.6827 and 0.9545.
    pub within: [f64; 2],
    /// Stars per bin of the probability integral transform `Phi(residual / sigma_total)`; flat if the errors are right.
    pub pit: [usize; PIT_BINS],
}

impl Metrics {
    /// The percentiles that are reported.
    pub const PERCENTILES: [f64; 4] = [2.5, 16.0, 84.0, 97.5];

    /// Computes the metrics of some predictions; `None` if there are none.
    #[must_use]
    pub fn new(predictions: &Predictions) -> Option<Self> {
        if predictions.is_empty() {
            return None;
        }
        let mut residuals = predictions.residuals();
        let mut pulls = predictions.pulls();
        let within = [1.0, 2.0].map(|n| share(&pulls, |z| z.abs() <= n));
        let mut pit = [0; PIT_BINS];
        for z in &pulls {
            pit[((normal_cdf(*z) * PIT_BINS as f64) as usize).min(PIT_BINS - 1)] += 1;
        }
        Some(Self {
            stars: predictions.len(),
            mad_std: mad_std(&mut residuals),
            bias: median(&mut residuals),
            percentiles: Self::PERCENTILES.map(|p| percentile(&mut residuals, p)),
            median_sigma: median(&mut predictions.sigma.clone()),
            pull_mad_std: mad_std(&mut pulls),
            within,
            pit,
        })
    }
}

/// Returns the share of stars inside the central interval of each nominal probability, for a calibration curve:
/// `(nominal, share)`.
#[must_use]
pub fn calibration(predictions: &Predictions, steps: usize) -> Vec<(f64, f64)> {
    // A star is inside the central interval of probability p if |2 PIT - 1| <= p.
    let depths: Vec<f64> = predictions.pulls().iter().map(|z| (2.0 * normal_cdf(*z) - 1.0).abs()).collect();
    let nominal = (0..=steps).map(|i| i as f64 / steps as f64);
    nominal.map(|p| (p, share(&depths, |depth| depth <= p))).collect()
}

/// Returns the `p`-th percentile, interpolated linearly between the neighbouring values; sorts `values`. NaN if there
/// are none.
#[must_use]
pub fn percentile(values: &mut [f64], p: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let at = p / 100.0 * (values.len() - 1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    values[below] + (at - at.floor()) * (values[above] - values[below])
}

/// Returns the standard normal distribution's cumulative probability.
fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc_f64(-z / std::f64::consts::SQRT_2)
}

fn share(values: &[f64], inside: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|v| inside(**v)).count() as f64 / values.len() as f64
}
