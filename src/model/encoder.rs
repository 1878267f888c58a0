//! The encoder: self-attention blocks over the embedded context.

use candle_core::{Result, Tensor};

use super::{block::Block, pass::Pass, weights::BlockWeights};

/// Computes the perception from an embedded context.
#[derive(Debug, Clone)]
pub struct Encoder {
    blocks: Vec<Block>,
}

impl Encoder {
    /// Builds the encoder from the weights of its blocks.
    pub(super) fn new(blocks: &[BlockWeights<Tensor>], width: usize) -> Result<Self> {
        Ok(Self { blocks: blocks.iter().map(|block| Block::new(block, width)).collect::<Result<_>>()? })
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
