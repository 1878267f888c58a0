//! AdamW (Loshchilov & Hutter 2019) as PyTorch computes it.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use lamcat_core::error::Result;

/// Constants of AdamW; the default is PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWSettings {
    /// Decay rate of the gradient's running mean.
    pub beta_1: f64,
    /// Decay rate of the squared gradient's running mean.
    pub beta_2: f64,
    /// Keeps the step finite if a gradient is zero.
    pub epsilon: f64,
    /// Decoupled decay of the weights, per unit of learning rate.
    pub weight_decay: f64,
}

impl Default for AdamWSettings {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// The running means of every weight.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    steps: u64,
    first: BTreeMap<String, Tensor>,
    second: BTreeMap<String, Tensor>,
}

impl AdamW {
    /// Returns an optimizer that has not seen any gradient of `weights`.
    pub fn new(weights: &BTreeMap<String, Var>, settings: AdamWSettings) -> Result<Self> {
        let zeros = || -> Result<BTreeMap<String, Tensor>> {
            weights.iter().map(|(name, w)| Ok((name.clone(), w.as_tensor().zeros_like()?.detach()))).collect()
        };
        Ok(Self { settings, steps: 0, first: zeros()?, second: zeros()? })
    }

    /// Returns an optimizer that continues after `steps` steps with these running means.
    #[must_use]
    pub fn resumed(
        settings: AdamWSettings,
        steps: u64,
        first: BTreeMap<String, Tensor>,
        second: BTreeMap<String, Tensor>,
    ) -> Self {
        Self { settings, steps, first, second }
    }

    /// The running means of gradients and of squared gradients, by the weights' names.
    #[must_use]
    pub fn moments(&self) -> (&BTreeMap<String, Tensor>, &BTreeMap<String, Tensor>) {
        (&self.first, &self.second)
    }

    /// Moves `weights` against their `gradients` with the learning rate `rate`; a weight without a gradient is treated
    /// as one with a zero gradient.
    pub fn step(
        &mut self,
        weights: &BTreeMap<String, Var>,
        gradients: &BTreeMap<String, Tensor>,
        rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let s = self.settings;
        let t = self.steps as f64;
        let size = rate / (1.0 - s.beta_1.powf(t));
        let correction = (1.0 - s.beta_2.powf(t)).sqrt();
        for (name, weight) in weights {
            let (Some(m), Some(v)) = (self.first.get_mut(name), self.second.get_mut(name)) else { continue };
            if let Some(g) = gradients.get(name) {
                *m = ((&*m * s.beta_1)? + (g * (1.0 - s.beta_1))?)?;
                *v = ((&*v * s.beta_2)? + (g.sqr()? * (1.0 - s.beta_2))?)?;
            } else {
                *m = (&*m * s.beta_1)?;
                *v = (&*v * s.beta_2)?;
            }
            let scale = ((v.sqrt()? / correction)? + s.epsilon)?;
            let kept = (weight.as_tensor().detach() * (1.0 - rate * s.weight_decay))?;
            weight.set(&(kept - (m.div(&scale)? * size)?)?)?;
        }
        Ok(())
    }
}
