//! The sizes of a model.

use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// Sizes of the Transformer; the published model is [`Architecture::leung_bovy_2023`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Number of slots of the context.
    pub context_length: usize,
    /// Width of an embedded token.
    pub width: usize,
    /// Attention heads of the first encoder block; the second block has half as many.
    pub encoder_heads: usize,
    /// Width of the first encoder block's dense layer; that of the second block is half as wide.
    pub encoder_dense: usize,
    /// Attention heads of the first decoder block; each further block has half as many as the one before.
    pub decoder_heads: usize,
    /// Width of the first decoder block's dense layer; each further one is half as wide as the one before.
    pub decoder_dense: usize,
}

impl Architecture {
    /// Number of encoder blocks.
    pub const ENCODER_BLOCKS: usize = 2;
    /// Number of decoder blocks.
    pub const DECODER_BLOCKS: usize = 3;
    /// Number of dense layers in the decoder's head, before the two outputs.
    pub const HEAD_LAYERS: usize = 4;

    /// Maximum number of weights: more than a hundred times that of the published model.
    pub const MOST_WEIGHTS: u64 = 1 << 30;

    /// The sizes of the published model: 8,845,529 parameters with the 118-token vocabulary.
    #[must_use]
    pub fn leung_bovy_2023() -> Self {
        Self {
            context_length: 64,
            width: 128,
            encoder_heads: 16,
            encoder_dense: 1024,
            decoder_heads: 16,
            decoder_dense: 3096,
        }
    }

    /// The smallest useful sizes, with width 32, for tests and first experiments.
    #[must_use]
    pub fn tiny() -> Self {
        Self { context_length: 64, width: 32, encoder_heads: 8, encoder_dense: 64, decoder_heads: 8, decoder_dense: 96 }
    }

    /// Returns the floating-point operations of the matrix products for one star, two per multiply-add, with `tokens`
    /// inputs and `requests` outputs; keys and values are computed once for all requests.
    #[must_use]
    pub fn flops(&self, tokens: usize, requests: usize) -> u64 {
        let (w, t) = (self.width, tokens);
        let attention = 4 * w * (t + 1);
        let encoder = (0..Self::ENCODER_BLOCKS).map(|i| 8 * w * w + attention + 4 * w * (self.encoder_dense >> i));
        let keys_and_values = Self::DECODER_BLOCKS * 4 * w * w;
        let decoder = (0..Self::DECODER_BLOCKS).map(|i| 4 * w * w + attention + 4 * w * (self.decoder_dense >> i));
        let widths: Vec<usize> =
            std::iter::once(w).chain((0..Self::HEAD_LAYERS).map(|i| self.decoder_dense >> i)).chain([2]).collect();
        let head: usize = widths.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum();
        let of_token = encoder.sum::<usize>() + keys_and_values;
        (t * of_token + requests * (decoder.sum::<usize>() + head)) as u64
    }

    /// Checks that every size is positive and that every block's number of heads divides the width.
    ///
    /// # Errors
    /// If a size does not fit; the error names it.
    pub fn validate(&self) -> Result<()> {
        let bad = |what: &str, value: usize| {
            Err(Error::new(ErrorKind::Model, format!("the model's {what} is unusable: {value}"))
                .hint("the width must be a multiple of every block's head count, and no size may be zero"))
        };
        if self.context_length == 0 || self.context_length > 4096 {
            return bad("context length", self.context_length);
        }
        if self.width == 0 || self.width > 1 << 16 {
            return bad("width", self.width);
        }
        let blocks = (0..Self::ENCODER_BLOCKS).map(|i| (self.encoder_heads >> i, self.encoder_dense >> i)).chain(
            (0..Self::HEAD_LAYERS).map(|i| {
                let heads = if i < Self::DECODER_BLOCKS { self.decoder_heads >> i } else { 1 };
                (heads, self.decoder_dense >> i)
            }),
        );
        for (heads, dense) in blocks {
            if heads == 0 || !self.width.is_multiple_of(heads) {
                return bad("head count", heads);
            }
            if dense == 0 || dense > 1 << 20 {
                return bad("dense width", dense);
            }
        }
        // The operations for one star are at least twice the weights for each token and request.
        let weights = self.flops(1, 1) / 2;
        if weights > Self::MOST_WEIGHTS {
            return bad("number of weights", weights as usize);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_the_published_model() {
        let a = Architecture::leung_bovy_2023();
        assert_eq!([1, 3].map(|labels| a.flops(64, labels) / 100_000), [1003, 1332]);
    }

    #[test]
    fn the_published_sizes_are_valid_and_odd_ones_are_not() {
        let a = Architecture::leung_bovy_2023();
        a.validate().unwrap();
        assert!(Architecture { width: 100, ..a.clone() }.validate().is_err());
        assert!(Architecture { context_length: 0, ..a.clone() }.validate().is_err());
        assert!(Architecture { decoder_dense: 4, ..a }.validate().is_err());
    }
}
