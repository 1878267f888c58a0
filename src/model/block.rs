//! A post-norm Transformer block: attention, residual, layer norm, two dense layers with gelu between, residual,
//! layer norm.

use candle_core::{Result, Tensor};
use candle_nn::{LayerNorm, Linear, Module, VarBuilder, layer_norm, linear};

use super::attention::Attention;

/// PyTorch's default, which the published model uses.
const LAYER_NORM_EPSILON: f64 = 1e-5;

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

    /// `query` `(rows, n, width)` attends to `memory` `(rows, m, width)` under `mask`; returns `(rows, n, width)`.
    pub fn forward(&self, query: &Tensor, memory: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let attended = self.attention.forward(query, memory, mask)?;
        let x = self.norm_1.forward(&(query + attended)?)?;
        let dense = self.dense_2.forward(&self.dense_1.forward(&x)?.gelu_erf()?)?;
        self.norm_2.forward(&(x + dense)?)
    }
}
