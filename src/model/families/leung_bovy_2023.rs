//! The network of Leung & Bovy (2023, arXiv:2308.10944): two blocks in the encoder, three in the decoder, and four layers
//! after it; each block has half the heads and half the hidden units of the one before. The names are those of the
//! published checkpoint.

use super::{Architecture, Family};
use crate::weights::{BlockWeights, Initial, LayerWeights, Place, Weights};

/// The family.
#[derive(Debug)]
pub(super) struct LeungBovy2023;

const ENCODER_BLOCKS: usize = 2;
const DECODER_BLOCKS: usize = 3;
const HEAD_LAYERS: usize = 4;

impl Family for LeungBovy2023 {
    fn name(&self) -> &'static str {
        "leung-bovy-2023"
    }

    fn layout(&self, a: &Architecture, tokens: usize) -> Weights<Place> {
        let embedding = |part| {
            Place::new(format!("embedding_layer.{part}"), &[tokens + 1, a.width]).beginning_with(Initial::Embedding)
        };
        let blocks = |part: &str, count, heads: usize, dense: usize| {
            let name = |i| format!("torch_{part}.{part}_transformer_block_{}", i + 1);
            (0..count).map(|i| block(&name(i), a.width, heads >> i, dense >> i)).collect()
        };
        let widths: Vec<usize> =
            std::iter::once(a.width).chain((0..HEAD_LAYERS).map(|i| a.decoder_dense >> i)).collect();
        let layer = |(i, widths): (usize, &[usize])| {
            LayerWeights::dense(&format!("torch_decoder.decoder_dense_{}", i + 3), widths[0], widths[1])
        };
        let last = widths[HEAD_LAYERS];
        Weights {
            scales: embedding("embeddings"),
            biases: embedding("bias"),
            encoder: blocks("encoder", ENCODER_BLOCKS, a.encoder_heads, a.encoder_dense),
            decoder: blocks("decoder", DECODER_BLOCKS, a.decoder_heads, a.decoder_dense),
            head: widths.windows(2).enumerate().map(layer).collect(),
            mean: LayerWeights::dense("torch_decoder.decoder_out", last, 1),
            log_variance: LayerWeights::dense("torch_decoder.decoder_logvar_out", last, 1),
        }
    }
}

/// A block with the names of PyTorch's `MultiheadAttention` with `add_bias_kv`.
fn block(name: &str, width: usize, heads: usize, dense: usize) -> BlockWeights<Place> {
    let attention = |part: &str, shape: &[usize]| Place::new(format!("{name}.attention.{part}"), shape);
    BlockWeights {
        heads,
        projection: LayerWeights {
            weight: attention("in_proj_weight", &[3 * width, width]),
            bias: attention("in_proj_bias", &[3 * width]),
        },
        extra_key: attention("bias_k", &[1, 1, width]),
        extra_value: attention("bias_v", &[1, 1, width]),
        output: LayerWeights::dense(&format!("{name}.attention.out_proj"), width, width),
        norm_1: LayerWeights::norm(&format!("{name}.layernorm_1"), width),
        dense_1: LayerWeights::dense(&format!("{name}.dense_1"), width, dense),
        dense_2: LayerWeights::dense(&format!("{name}.dense_2"), dense, width),
        norm_2: LayerWeights::norm(&format!("{name}.layernorm_2"), width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_size_has_the_published_number_of_parameters() {
        let places = LeungBovy2023.layout(&Architecture::leung_bovy_2023(), 118).places();
        let count: usize = places.iter().map(|place| place.shape.iter().product::<usize>()).sum();
        assert_eq!(count, 8_845_529);
    }
}
