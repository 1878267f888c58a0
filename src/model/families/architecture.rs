//! The sizes of a model.

use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{default, family};
use crate::weights::{LayerWeights, Place, Weights};

/// Family and sizes of the Transformer; the published model is [`Architecture::leung_bovy_2023`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Name of its family, which says how many blocks it has; see [`Family`](super::Family).
    #[serde(default = "default_family", skip_serializing_if = "is_default_family")]
    pub family: String,
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
    /// Maximum number of weights: more than a hundred times that of the published model.
    pub const MOST_WEIGHTS: u64 = 1 << 30;

    /// The sizes of the published model: 8,845,529 parameters with the 118-token vocabulary.
    #[must_use]
    pub fn leung_bovy_2023() -> Self {
        Self {
            family: default_family(),
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
        Self {
            width: 32,
            encoder_heads: 8,
            encoder_dense: 64,
            decoder_heads: 8,
            decoder_dense: 96,
            ..Self::leung_bovy_2023()
        }
    }

    /// Returns the layout of such a network's weights for a vocabulary of `tokens` tokens.
    ///
    /// # Errors
    /// If the family is unknown.
    pub fn layout(&self, tokens: usize) -> Result<Weights<Place>> {
        Ok(family(&self.family)?.layout(self, tokens))
    }

    /// Returns the floating-point operations of the matrix products for one star, two per multiply-add, with `tokens`
    /// inputs and `requests` outputs; keys and values are computed once for all requests. It is 0 for an unknown family.
    #[must_use]
    pub fn flops(&self, tokens: usize, requests: usize) -> u64 {
        let Ok(layout) = self.layout(1) else { return 0 };
        let (w, t) = (self.width, tokens);
        let attention = 4 * w * (t + 1);
        let of = |layer: &LayerWeights<Place>| 2 * layer.weight.shape.iter().product::<usize>();
        let encoder =
            layout.encoder.iter().map(|block| 8 * w * w + attention + of(&block.dense_1) + of(&block.dense_2));
        let keys_and_values = layout.decoder.len() * 4 * w * w;
        let decoder =
            layout.decoder.iter().map(|block| 4 * w * w + attention + of(&block.dense_1) + of(&block.dense_2));
        let head: usize = layout.head.iter().chain([&layout.mean, &layout.log_variance]).map(of).sum();
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
        let layout = self.layout(1)?;
        let outputs = |layer: &LayerWeights<Place>| layer.bias.shape.iter().product();
        let blocks = layout.encoder.iter().chain(&layout.decoder).map(|block| (block.heads, outputs(&block.dense_1)));
        for (heads, dense) in blocks.chain(layout.head.iter().map(|layer| (1, outputs(layer)))) {
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

fn default_family() -> String {
    default().name().to_owned()
}

fn is_default_family(name: &str) -> bool {
    name == default().name()
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
        assert!(Architecture { decoder_dense: 4, ..a.clone() }.validate().is_err());
        let unknown = Architecture { family: "none".to_owned(), ..a }.validate().unwrap_err().to_string();
        assert!(unknown.contains("unknown family 'none'") && unknown.contains("leung-bovy-2023"), "{unknown}");
    }

    #[test]
    fn the_default_family_is_not_written_so_that_files_keep_their_hashes() {
        let json = serde_json::to_string(&Architecture::tiny()).unwrap();
        assert!(!json.contains("family"), "{json}");
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), Architecture::tiny());
    }
}
