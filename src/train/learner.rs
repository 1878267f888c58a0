//! The network during training: weights, optimizer, and one step.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_model::{Architecture, Dropout, Pass, Prediction, Transformer};
use rayon::prelude::*;

use super::{
    optimizer::{AdamW, AdamWSettings},
    sample::Batch,
};

/// Number of stars that pass through the network at once on the CPU, each tile on one core: few enough that the data
/// for the gradient stay in the core's cache. It is fixed, so that sums are computed in the same order on any machine.
const TILE_STARS: usize = 32;

/// Weights and optimizer on one device.
#[derive(Debug)]
pub struct Learner {
    weights: BTreeMap<String, Var>,
    network: Transformer,
    optimizer: AdamW,
    device: Device,
}

/// A loss summed over the requests of a tile, with the gradient of every weight.
type Slope = (f64, BTreeMap<String, Tensor>);

impl Learner {
    /// Makes a network for `tokens` tokens with the given `weights`, named as in the published checkpoint; `optimizer`
    /// is that of the run to be continued, if any.
    pub fn new(
        weights: &BTreeMap<String, Tensor>,
        architecture: &Architecture,
        tokens: usize,
        optimizer: Option<AdamW>,
        device: &Device,
    ) -> Result<Self> {
        let weights = vars(weights, device)?;
        let optimizer = optimizer.map_or_else(|| AdamW::new(&weights, AdamWSettings::default()), Ok)?;
        let tensors = weights.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let layout = architecture.layout(tokens)?;
        let network = Transformer::new(&layout.try_map(|place| place.tensor(&tensors))?, architecture)?;
        Ok(Self { weights, network, optimizer, device: device.clone() })
    }

    /// The optimizer.
    #[must_use]
    pub fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    /// Returns a copy of the weights in host memory, by name.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor>> {
        let copy = |(name, var): (&String, &Var)| -> Result<_> {
            Ok((name.clone(), var.as_tensor().detach().to_device(&Device::Cpu)?.copy()?))
        };
        self.weights.iter().map(copy).collect()
    }

    /// Does one step of the optimizer on a batch; returns the batch's loss before it. `key` determines what dropout
    /// drops.
    ///
    /// # Errors
    /// If the loss is not finite; the weights are unchanged then.
    pub fn step(&mut self, batch: &Batch, rate: f64, dropout: f32, key: u64) -> Result<f64> {
        let (loss, gradients) = self.gradients(batch, dropout, key)?;
        if !loss.is_finite() {
            return Err(Error::new(ErrorKind::Device, "the loss is not finite")
                .at("loss", loss)
                .hint("a smaller --lr may help; look for extreme values or errors in the training set"));
        }
        self.optimizer.step(&self.weights, &gradients, rate)?;
        Ok(loss)
    }

    /// Returns the batch's mean loss and its gradient with respect to every weight.
    pub fn gradients(&self, batch: &Batch, dropout: f32, key: u64) -> Result<(f64, BTreeMap<String, Tensor>)> {
        let tile = |i: usize| -> Result<Slope> {
            let tile = batch.slice(self.stars(i, batch));
            let pass = Pass::Train(Dropout::new(dropout, tile_key(key, i as u64)));
            let loss = self.loss_sum(&tile, &pass)?;
            let mut grads = (&loss / batch.requests.len() as f64)?.backward()?;
            let gradients =
                self.weights.iter().filter_map(|(name, var)| Some((name.clone(), grads.remove(var)?))).collect();
            Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
        };
        let tiles = (0..self.tiles(batch)).into_par_iter().map(tile).collect::<Result<Vec<_>>>()?;
        let mut tiles = tiles.into_iter();
        let (mut loss, mut sum) = tiles.next().unwrap_or_default();
        for (tile_loss, gradients) in tiles {
            loss += tile_loss;
            for (name, gradient) in gradients {
                let total = match sum.get(&name) {
                    Some(total) => (total + gradient)?,
                    None => gradient,
                };
                sum.insert(name, total);
            }
        }
        Ok((loss / batch.requests.len() as f64, sum))
    }

    /// Returns the batch's mean loss without dropout.
    pub fn loss(&self, batch: &Batch) -> Result<f64> {
        let tile = |i: usize| -> Result<f64> {
            let loss = self.loss_sum(&batch.slice(self.stars(i, batch)), &Pass::Infer)?;
            Ok(f64::from(loss.to_scalar::<f32>()?))
        };
        let sums = (0..self.tiles(batch)).into_par_iter().map(tile).collect::<Result<Vec<_>>>()?;
        Ok(sums.iter().sum::<f64>() / batch.requests.len() as f64)
    }

    fn loss_sum(&self, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        let answer = self.network.train(batch.stars, &batch.tokens, &batch.values, &batch.requests, pass)?;
        Ok(loss(&answer, &batch.labels, &batch.label_errors)?)
    }

    fn tile_stars(&self, batch: &Batch) -> usize {
        if self.device.is_cpu() { TILE_STARS } else { batch.stars.max(1) }
    }

    fn tiles(&self, batch: &Batch) -> usize {
        batch.stars.div_ceil(self.tile_stars(batch))
    }

    fn stars(&self, tile: usize, batch: &Batch) -> std::ops::Range<usize> {
        let size = self.tile_stars(batch);
        tile * size..((tile + 1) * size).min(batch.stars)
    }
}

/// Returns the sum over the requests of `1/2 [(y - mean)^2 / V + ln V]` with `V = exp(log variance) + sigma^2`, all
/// standardised (Leung & Bovy 2023, section 4).
fn loss(answer: &Prediction, labels: &[f32], errors: &[f32]) -> candle_core::Result<Tensor> {
    let device = answer.mean.device();
    let shape = answer.mean.dims2()?;
    let squares: Vec<f32> = errors.iter().map(|e| e * e).collect();
    let variance = answer.log_variance.exp()?.add(&Tensor::from_vec(squares, shape, device)?)?;
    let off = Tensor::from_slice(labels, shape, device)?.sub(&answer.mean)?.sqr()?;
    (off.div(&variance)? + variance.log()?)?.sum_all()? * 0.5
}

fn vars(tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<BTreeMap<String, Var>> {
    let var = |(name, t): (&String, &Tensor)| -> Result<_> {
        let own = t.to_dtype(DType::F32)?.to_device(device)?.copy()?;
        Ok((name.clone(), Var::from_tensor(&own)?))
    };
    tensors.iter().map(var).collect()
}

fn tile_key(key: u64, tile: u64) -> u64 {
    super::mix::mix(key ^ super::mix::mix(tile + 1))
}
