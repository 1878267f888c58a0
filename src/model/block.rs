//! A post-norm Transformer block: attention, residual, layer norm, two dense layers with gelu between them, residual,
//! layer norm.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNorm, Linear, VarBuilder, layer_norm, linear};

use super::{
    attention::Attention,
    pass::{LAYER_NORM_EPSILON, Pass},
};

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
    /// Loads a block of `heads` attention heads and a hidden layer of `dense` units.
    pub fn load(vb: &VarBuilder, width: usize, heads: usize, dense: usize) -> Result<Self> {
        Ok(Self {
            attention: Attention::load(&vb.pp("attention"), width, heads)?,
            norm_1: layer_norm(width, LAYER_NORM_EPSILON, vb.pp("layernorm_1"))?,
            dense_1: linear(width, dense, vb.pp("dense_1"))?,
            dense_2: linear(dense, width, vb.pp("dense_2"))?,
            norm_2: layer_norm(width, LAYER_NORM_EPSILON, vb.pp("layernorm_2"))?,
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
