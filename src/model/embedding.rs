//! Token embedding: `gelu(E[t] x + b[t])` for an input token `t` with standardised value `x`, and `E[t]` for a request
//! (Leung & Bovy 2023, section 3.1). Row 0 of `E` and `b` is zero, so padding embeds to zero.

use candle_core::{Result, Tensor};

use super::{pass::Pass, weights::Weights};

/// The non-linear embedding of values and requests.
#[derive(Debug, Clone)]
pub struct Embedding {
    embeddings: Tensor,
    bias: Tensor,
}

impl Embedding {
    /// Builds the embedding from the network's weights.
    pub(super) fn new(weights: &Weights<Tensor>) -> Self {
        Self { embeddings: weights.scales.clone(), bias: weights.biases.clone() }
    }

    /// Embeds standardised `values` of `tokens`, both `(rows, context)`, to `(rows, context, width)`.
    pub fn forward(&self, tokens: &Tensor, values: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (rows, context) = tokens.dims2()?;
        let width = self.embeddings.dim(1)?;
        let ids = tokens.flatten_all()?;
        let scale = self.embeddings.index_select(&ids, 0)?;
        let bias = self.bias.index_select(&ids, 0)?;
        let x = scale.broadcast_mul(&values.reshape((rows * context, 1))?)?.add(&bias)?;
        pass.gelu(&x)?.reshape((rows, context, width))
    }

    /// Embeds requested `tokens` `(rows, requests)` to `(rows, requests, width)`.
    pub fn request(&self, tokens: &Tensor) -> Result<Tensor> {
        let (rows, requests) = tokens.dims2()?;
        self.embeddings.index_select(&tokens.flatten_all()?, 0)?.reshape((rows, requests, ()))
    }
}
