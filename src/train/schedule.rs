//! The duration of training, and the learning rate over it: a cosine with warm restarts (Loshchilov & Hutter 2017).

use serde::{Deserialize, Serialize};

/// The condition that ends training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Budget {
    /// After this number of steps.
    Steps(u64),
    /// After this number of passes over the training stars.
    Epochs(u64),
    /// After this number of seconds of training, not counting pauses between restarts of the program. The learning rate
    /// then depends on the clock, so a second run differs.
    Seconds(f64),
}

impl Budget {
    /// Whether training ends before the first step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match *self {
            Self::Steps(n) | Self::Epochs(n) => n == 0,
            Self::Seconds(s) => !(s.is_finite() && s > 0.0),
        }
    }

    /// Returns the share of the budget, in [0, 1], that is spent after `steps` steps, with `per_epoch` steps per epoch,
    /// and `seconds` seconds.
    #[must_use]
    pub fn spent(&self, steps: u64, per_epoch: u64, seconds: f64) -> f64 {
        let share = match *self {
            Self::Steps(n) => steps as f64 / n as f64,
            Self::Epochs(n) => steps as f64 / (n * per_epoch) as f64,
            Self::Seconds(limit) => seconds / limit,
        };
        share.clamp(0.0, 1.0)
    }
}

/// The learning rate over the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The condition that ends training.
    pub budget: Budget,
    /// Number of cosines into which the budget is divided; the published model has 8.
    pub cycles: u32,
    /// Learning rate at the start of a cosine.
    pub rate: f64,
    /// Learning rate at the end of a cosine.
    pub floor: f64,
}

impl Schedule {
    /// Returns the learning rate when the share `spent`, in [0, 1], of the budget is spent.
    #[must_use]
    pub fn learning_rate(&self, spent: f64) -> f64 {
        let phase = if spent >= 1.0 { 1.0 } else { (spent * f64::from(self.cycles)).fract() };
        self.floor + 0.5 * (self.rate - self.floor) * (1.0 + (std::f64::consts::PI * phase).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_falls_and_restarts() {
        let s = Schedule { budget: Budget::Epochs(8), cycles: 2, rate: 1.0, floor: 0.1 };
        let at = |step| s.learning_rate(s.budget.spent(step, 10, 0.0));
        assert!((at(0) - 1.0).abs() < 1e-12 && (at(20) - 0.55).abs() < 1e-12);
        assert!(at(39) < 0.11 && (at(40) - 1.0).abs() < 1e-12 && (at(80) - 0.1).abs() < 1e-12);
    }
}
