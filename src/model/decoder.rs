//! The decoder: three cross-attention blocks from the request to the perception, then four dense layers with gelu and
//! two linear outputs, the mean and the log variance. Requests do not affect each other, so any number of them shares
//! one pass over the keys and values of the perception.

use candle_core::{Result, Tensor};
use candle_nn::{Linear, VarBuilder, linear};

use super::{block::Block, config::Architecture, pass::Pass};

/// Computes mean and log variance from a perception and requests.
#[derive(Debug, Clone)]
pub struct Decoder {
    blocks: Vec<Block>,
    head: Vec<Linear>,
    mean: Linear,
    log_variance: Linear,
}

impl Decoder {
    /// Loads the blocks `decoder_transformer_block_1..3`, the dense layers `decoder_dense_3..6` and the two outputs.
    pub fn load(vb: &VarBuilder, a: &Architecture) -> Result<Self> {
        let blocks = (0..Architecture::DECODER_BLOCKS)
            .map(|i| {
                let vb = vb.pp(format!("decoder_transformer_block_{}", i + 1));
                Block::load(&vb, a.width, a.decoder_heads >> i, a.decoder_dense >> i)
            })
            .collect::<Result<_>>()?;
        let mut head = Vec::with_capacity(Architecture::HEAD_LAYERS);
        let mut width = a.width;
        for i in 0..Architecture::HEAD_LAYERS {
            let out = a.decoder_dense >> i;
            head.push(linear(width, out, vb.pp(format!("decoder_dense_{}", i + 3)))?);
            width = out;
        }
        Ok(Self {
            blocks,
            head,
            mean: linear(width, 1, vb.pp("decoder_out"))?,
            log_variance: linear(width, 1, vb.pp("decoder_logvar_out"))?,
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
