//! Multi-head attention with one additional learned key and value, as in PyTorch's `MultiheadAttention` with
//! `add_bias_kv`: `softmax(Q K^T / sqrt(d) + mask) V`, projected. The extra key is never masked, so a row in which
//! every token is padding still has something to attend to.

use candle_core::{Result, Tensor};
use candle_nn::Linear;

use super::{pass::Pass, weights::BlockWeights};

/// One attention layer.
#[derive(Debug, Clone)]
pub struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    extra_key: Tensor,
    extra_value: Tensor,
    output: Linear,
    heads: usize,
}

impl Attention {
    /// Builds the attention of a block from the block's weights.
    pub(super) fn new(weights: &BlockWeights<Tensor>, width: usize) -> Result<Self> {
        let projection = |i: usize| -> Result<Linear> {
            let weight = weights.projection.weight.narrow(0, i * width, width)?;
            Ok(Linear::new(weight, Some(weights.projection.bias.narrow(0, i * width, width)?)))
        };
        Ok(Self {
            query: projection(0)?,
            key: projection(1)?,
            value: projection(2)?,
            extra_key: weights.extra_key.clone(),
            extra_value: weights.extra_value.clone(),
            output: weights.output.linear(),
            heads: weights.heads,
        })
    }

    /// Attends from `query` `(rows, n, width)` to `memory` `(rows, m, width)`; returns `(rows, n, width)`.
    ///
    /// `mask` `(rows, 1, 1, m + 1)` is added to the scores: 0 keeps a key, minus infinity hides it.
    pub fn forward(&self, query: &Tensor, memory: &Tensor, mask: &Tensor, pass: &Pass) -> Result<Tensor> {
        let (rows, n, width) = query.dims3()?;
        let head = width / self.heads;
        let with_extra = |x: Tensor, extra: &Tensor| Tensor::cat(&[&x, &extra.broadcast_as((rows, 1, width))?], 1);
        let q = self.split(&(pass.linear(&self.query, query)? * (1.0 / (head as f64).sqrt()))?)?;
        let k = self.split(&with_extra(pass.linear(&self.key, memory)?, &self.extra_key)?)?;
        let v = self.split(&with_extra(pass.linear(&self.value, memory)?, &self.extra_value)?)?;
        let mixed = pass.attend(&q, &k, &v, mask)?;
        pass.linear(&self.output, &mixed.transpose(1, 2)?.reshape((rows, n, width))?)
    }

    /// `(rows, n, width)` -> `(rows, heads, n, width / heads)`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (rows, n, width) = x.dims3()?;
        x.reshape((rows, n, self.heads, width / self.heads))?.transpose(1, 2)?.contiguous()
    }
}
