//! A post-norm Transformer block: attention, residual, layer norm, two dense layers with gelu between them, residual,
//! layer norm.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNorm, Linear};

use super::{attention::Attention, pass::Pass, weights::BlockWeights};

/// One block of the encoder or decoder.
#[derive(Debug, Clone)]
pub struct Block {
    attention: Attention,
    norm_1: LayerNorm,
    dense_1: Linear,
    dense_2: Linear,
    norm_2: LayerNorm,
}

impl Block {
    /// Builds a block from its weights.
    pub(super) fn new(weights: &BlockWeights<Tensor>, width: usize) -> Result<Self> {
        Ok(Self {
            attention: Attention::new(weights, width)?,
            norm_1: weights.norm_1.layer_norm(),
            dense_1: weights.dense_1.linear(),
            dense_2: weights.dense_2.linear(),
            norm_2: weights.norm_2.layer_norm(),
        })
    }

    /// Attends from `query` `(rows, n, width)` to `memory` `(rows, m, width)` under `mask`; returns `(rows, n, width)`.
    pub fn forward(&self, query: &Tensor, memory: &Tensor, mask: &Tensor, pass: &Pass) -> Result<Tensor> {
        let attended = pass.dropout(self.attention.forward(query, memory, mask, pass)?)?;
        let x = pass.norm(&self.norm_1, &(query + attended)?)?;
        let dense = pass.linear(&self.dense_2, &pass.gelu(&pass.linear(&self.dense_1, &x)?)?)?;
        pass.norm(&self.norm_2, &(x + pass.dropout(dense)?)?)
    }
}
