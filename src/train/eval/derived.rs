//! Quantities derived from a label, in units that astronomers use.

use super::predictions::Predictions;

/// A quantity that is a function of a label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Derived {
    /// Its name.
    pub(super) name: &'static str,
    /// Its unit.
    pub(super) unit: &'static str,
    /// Converts predictions to that unit.
    pub(super) of: fn(&Predictions) -> Predictions,
}

impl Derived {
    /// Returns the quantity derived from a label, if there is one.
    pub(super) fn from_label(label: &str) -> Option<Self> {
        match label {
            "logebv" => Some(Self { name: "ebv", unit: "mag", of: colour_excess }),
            "g_fakemag" => Some(Self { name: "distance", unit: "%", of: distance }),
            _ => None,
        }
    }
}

/// E(B-V) in mag from its natural logarithm; the errors are converted to first order.
fn colour_excess(ln: &Predictions) -> Predictions {
    map(ln, |truth, error, mean, sigma| (truth.exp(), truth.exp() * error, mean.exp(), mean.exp() * sigma))
}

/// The distance in percent of the true one, from the pseudo-luminosity. At a star's magnitude the pseudo-luminosity is
/// proportional to the parallax, so the ratio of the distance to the true one is that of the true pseudo-luminosity to
/// the predicted one. Errors are converted to first order. A star whose true value is not positive has no true
/// distance; a predicted value that is not positive gives no distance.
fn distance(fakemag: &Predictions) -> Predictions {
    map(fakemag, |truth, error, mean, sigma| {
        let ratio = if mean > 0.0 { truth / mean } else { f64::NAN };
        let truth = if truth > 0.0 { 100.0 } else { f64::NAN };
        (truth, 100.0 * error / mean, 100.0 * ratio, 100.0 * ratio * sigma / mean)
    })
}

/// Converts truth, its error, mean and sigma of each star to the other unit; a star whose truth becomes NaN is left
/// out.
fn map(label: &Predictions, to: impl Fn(f64, f64, f64, f64) -> (f64, f64, f64, f64)) -> Predictions {
    let mut derived = Predictions { not_finite: label.not_finite, ..Predictions::default() };
    for i in 0..label.len() {
        let (truth, error, mean, sigma) = to(label.truth[i], label.truth_error[i], label.mean[i], label.sigma[i]);
        if !truth.is_nan() {
            derived.push(truth, error, mean, sigma);
        }
    }
    derived
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(label: &str, stars: &[[f64; 4]]) -> Predictions {
        let mut predictions = Predictions::default();
        for [truth, error, mean, sigma] in stars {
            predictions.push(*truth, *error, *mean, *sigma);
        }
        (Derived::from_label(label).unwrap().of)(&predictions)
    }

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got} for {expected}");
    }

    #[test]
    fn colour_excess_is_in_magnitudes() {
        let ebv = of("logebv", &[[0.5f64.ln(), 0.1, 0.4f64.ln(), 0.25]]);
        near(ebv.residuals()[0], 0.1);
        near(ebv.truth_error[0], 0.05);
        near(ebv.sigma[0], 0.1);
    }

    #[test]
    fn distances_are_in_percent_of_the_true_one() {
        // A star at 400 pc with G = 10: the parallax is 2.5 mas, the prediction is 2 mas, or 500 pc, and both errors
        // are 1 %.
        let fakemag = |parallax: f64| parallax * 100.0;
        let stars = [
            [fakemag(2.5), fakemag(0.02), fakemag(2.0), fakemag(0.02)],
            [fakemag(-0.1), 0.0, fakemag(2.0), 1.0],
            [fakemag(2.5), 0.0, fakemag(-2.0), 1.0],
        ];
        let distance = of("g_fakemag", &stars);
        assert_eq!((distance.len(), distance.not_finite), (1, 1));
        near(distance.residuals()[0], 100.0 * (400.0 - 500.0) / 400.0);
        near(distance.sigma[0], 1.25);
        near(distance.truth_error[0], 1.0);
        // To first order the pull equals that of the pseudo-luminosity itself.
        near(distance.pulls()[0], -25.0 / 1.25f64.hypot(1.0));
    }
}
