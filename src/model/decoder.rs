//! The decoder: cross-attention blocks from the request to the perception, then dense layers with gelu and
//! two linear outputs, the mean and the log variance. Requests do not affect each other, so any number of them shares
//! one pass over the keys and values of the perception.

use candle_core::{Result, Tensor};
use candle_nn::Linear;

use super::{
    block::Block,
    pass::Pass,
    weights::{LayerWeights, Weights},
};

/// Computes mean and log variance from a perception and requests.
#[derive(Debug, Clone)]
pub struct Decoder {
    blocks: Vec<Block>,
    head: Vec<Linear>,
    mean: Linear,
    log_variance: Linear,
}

impl Decoder {
    /// Builds the decoder from its weights.
    pub(super) fn new(weights: &Weights<Tensor>, width: usize) -> Result<Self> {
        Ok(Self {
            blocks: weights.decoder.iter().map(|block| Block::new(block, width)).collect::<Result<_>>()?,
            head: weights.head.iter().map(LayerWeights::linear).collect(),
            mean: weights.mean.linear(),
            log_variance: weights.log_variance.linear(),
        })
    }

    /// Computes the standardised mean and the log variance, each `(rows, n)`, from embedded `requests`
    /// `(rows, n, width)` and a `perception` `(rows, context, width)`.
    pub fn forward(
        &self,
        requests: &Tensor,
        perception: &Tensor,
        mask: &Tensor,
        pass: &Pass,
    ) -> Result<(Tensor, Tensor)> {
        let mut x = requests.clone();
        for block in &self.blocks {
            x = block.forward(&x, perception, mask, pass)?;
        }
        for dense in &self.head {
            x = pass.dropout(pass.gelu(&pass.linear(dense, &x)?)?)?;
        }
        Ok((pass.linear(&self.mean, &x)?.squeeze(2)?, pass.linear(&self.log_variance, &x)?.squeeze(2)?))
    }
}
