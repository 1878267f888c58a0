//! The encoder: two self-attention blocks over the embedded context.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{block::Block, config::Architecture, pass::Pass};

/// Computes the perception from an embedded context.
#[derive(Debug, Clone)]
pub struct Encoder {
    blocks: Vec<Block>,
}

impl Encoder {
    /// Loads the blocks under `encoder_transformer_block_1`, `_2`.
    pub fn load(vb: &VarBuilder, a: &Architecture) -> Result<Self> {
        let blocks = (0..Architecture::ENCODER_BLOCKS)
            .map(|i| {
                let vb = vb.pp(format!("encoder_transformer_block_{}", i + 1));
                Block::load(&vb, a.width, a.encoder_heads >> i, a.encoder_dense >> i)
            })
            .collect::<Result<_>>()?;
        Ok(Self { blocks })
    }

    /// Computes the perception, which has the shape of its input `(rows, context, width)`.
    pub fn forward(&self, embedded: &Tensor, mask: &Tensor, pass: &Pass) -> Result<Tensor> {
        let mut x = embedded.clone();
        for block in &self.blocks {
            x = block.forward(&x, &x, mask, pass)?;
        }
        Ok(x)
    }
}
