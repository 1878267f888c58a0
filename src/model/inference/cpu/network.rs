//! The network's weights in the layout of the matrix products.

use lamcat_core::error::Result;
use lamcat_kernels::{PANEL, Right, padded};

use super::dense::Dense;
use crate::{
    Model,
    inference::Precision,
    weights::{BlockWeights, LayerWeights},
};

/// The weights of a layer in a model, not packed.
type Layer = LayerWeights<Vec<f32>>;
type Block = BlockWeights<Vec<f32>>;

/// A model's weights, packed.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) width: usize,
    /// Scales and biases of the token embedding, `(tokens + 1, width)`.
    pub(super) scales: Vec<f32>,
    pub(super) biases: Vec<f32>,
    pub(super) encoder: Vec<EncoderBlock>,
    pub(super) decoder: Vec<DecoderBlock>,
    pub(super) head: Vec<Dense>,
    /// The two outputs: mean and log variance.
    pub(super) outputs: Dense,
}

/// A block of the encoder.
#[derive(Debug)]
pub(super) struct EncoderBlock {
    pub(super) heads: usize,
    /// Computes the scaled queries, the keys and the values.
    pub(super) projection: Dense,
    pub(super) extra_key: Vec<f32>,
    pub(super) extra_value: Vec<f32>,
    pub(super) rest: Rest,
}

/// A block of the decoder. Its keys and values are never computed: a query `q` and a token `x` of the perception have
/// the score `q (K x + b) = (K' q) x + q b`, and the mean of the values `V x + c` is `V` times the mean of the tokens,
/// plus `c`. The weights do not change if all scores of a query change by the same number, so `q b` is subtracted from
/// the extra key's score instead.
#[derive(Debug)]
pub(super) struct DecoderBlock {
    pub(super) heads: usize,
    /// Computes the scaled queries.
    pub(super) query: Dense,
    /// `(width, width)`: row `i` is multiplied by element `i` of a query to compute a score.
    keys: Vec<f32>,
    /// The extra key minus the bias of the other keys.
    pub(super) extra_key: Vec<f32>,
    /// For each head, the layer from the mean of the tokens, weighted by that head, to its part of the attention's
    /// result.
    pub(super) values: Vec<Dense>,
    pub(super) extra_value: Vec<f32>,
    pub(super) rest: Rest,
}

impl DecoderBlock {
    /// The matrix from the queries of `head` to the vectors whose product with a token is a score:
    /// `(width / heads, width)`.
    pub(super) fn absorbed(&self, head: usize) -> Right<'_> {
        let width = self.extra_key.len();
        Right::rows(&self.keys, width).from_row(head * width / self.heads)
    }
}

/// The layers that follow the attention.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) output: Dense,
    pub(super) norm_1: Norm,
    pub(super) dense_1: Dense,
    pub(super) dense_2: Dense,
    pub(super) norm_2: Norm,
}

/// A layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Network {
    /// Packs `model`; `None` if its width is not a whole number of panels.
    pub(super) fn pack(model: &Model, precision: Precision) -> Result<Option<Self>> {
        let a = model.architecture();
        if !a.width.is_multiple_of(PANEL) {
            return Ok(None);
        }
        let weights = model.weights()?;
        let source = Source { width: a.width, precision };
        let (mean, log_variance) = (weights.mean, weights.log_variance);
        let k = mean.weight.len();
        Ok(Some(Self {
            width: a.width,
            scales: weights.scales,
            biases: weights.biases,
            encoder: weights.encoder.into_iter().map(|block| source.encoder_block(block)).collect(),
            decoder: weights.decoder.into_iter().map(|block| source.decoder_block(block)).collect(),
            head: weights.head.iter().map(|layer| dense(layer, precision)).collect(),
            outputs: Dense::pack(
                Precision::F32,
                &[mean.weight, log_variance.weight].concat(),
                &[mean.bias, log_variance.bias].concat(),
                k,
            ),
        }))
    }

    /// The number of elements in the longest row of the decoder's layers.
    pub(super) fn longest(&self) -> usize {
        self.head.iter().map(Dense::n).max().unwrap_or(0).max(padded(self.width))
    }
}

/// Packs a layer.
fn dense(layer: &Layer, precision: Precision) -> Dense {
    let k = layer.weight.len() / layer.bias.len().max(1);
    Dense::pack(precision, &layer.weight, &layer.bias, k)
}

/// Packs the weights of blocks.
struct Source {
    width: usize,
    /// The precision of the layers whose products are most of the work. The attention's projections and the network's
    /// outputs stay in f32: they are little work, and errors matter most there.
    precision: Precision,
}

impl Source {
    fn rest(&self, block: Block) -> Rest {
        let norm = |layer: Layer| Norm { weight: layer.weight, bias: layer.bias };
        Rest {
            output: dense(&block.output, Precision::F32),
            norm_1: norm(block.norm_1),
            dense_1: dense(&block.dense_1, self.precision),
            dense_2: dense(&block.dense_2, self.precision),
            norm_2: norm(block.norm_2),
        }
    }

    /// Returns the weight and bias of queries, keys and values. Those of the queries are scaled by
    /// `log2(e) / sqrt(width / heads)`, so that a score is an exponent of 2.
    fn projections(&self, block: &Block) -> [(Vec<f32>, Vec<f32>); 3] {
        let Layer { weight, bias } = &block.projection;
        let scale = (std::f64::consts::LOG2_E / ((self.width / block.heads) as f64).sqrt()) as f32;
        let square = self.width * self.width;
        let part = |i: usize| {
            let scale = if i == 0 { scale } else { 1.0 };
            let scaled = |values: &[f32]| values.iter().map(|v| v * scale).collect();
            (scaled(&weight[i * square..(i + 1) * square]), scaled(&bias[i * self.width..(i + 1) * self.width]))
        };
        [part(0), part(1), part(2)]
    }

    fn encoder_block(&self, mut block: Block) -> EncoderBlock {
        let (weights, biases): (Vec<_>, Vec<_>) = self.projections(&block).into_iter().unzip();
        EncoderBlock {
            heads: block.heads,
            projection: Dense::pack(self.precision, &weights.concat(), &biases.concat(), self.width),
            extra_key: std::mem::take(&mut block.extra_key),
            extra_value: std::mem::take(&mut block.extra_value),
            rest: self.rest(block),
        }
    }

    fn decoder_block(&self, mut block: Block) -> DecoderBlock {
        let [query, key, value] = self.projections(&block);
        let d = self.width / block.heads;
        let values = value.0.chunks_exact(d * self.width).zip(value.1.chunks_exact(d));
        DecoderBlock {
            heads: block.heads,
            query: Dense::pack(Precision::F32, &query.0, &query.1, self.width),
            keys: key.0,
            extra_key: block.extra_key.iter().zip(&key.1).map(|(extra, bias)| extra - bias).collect(),
            values: values.map(|(weight, bias)| Dense::pack(Precision::F32, weight, bias, self.width)).collect(),
            extra_value: std::mem::take(&mut block.extra_value),
            rest: self.rest(block),
        }
    }
}
