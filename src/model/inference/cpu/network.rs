//! The network's weights in the layout of the matrix products.

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_kernels::{PANEL, Right, padded};

use super::dense::Dense;
use crate::{Architecture, Model, inference::Precision};

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
        let source = Source { model, width: a.width, precision };
        let encoder = (0..Architecture::ENCODER_BLOCKS).map(|i| {
            source.encoder_block(&format!("torch_encoder.encoder_transformer_block_{}", i + 1), a.encoder_heads >> i)
        });
        let decoder = (0..Architecture::DECODER_BLOCKS).map(|i| {
            source.decoder_block(&format!("torch_decoder.decoder_transformer_block_{}", i + 1), a.decoder_heads >> i)
        });
        let head = (0..Architecture::HEAD_LAYERS)
            .map(|i| source.dense(&format!("torch_decoder.decoder_dense_{}", i + 3), precision));
        let [mean, log_variance] = ["torch_decoder.decoder_out", "torch_decoder.decoder_logvar_out"].map(|layer| {
            Ok::<_, Error>((source.get(&format!("{layer}.weight"))?, source.get(&format!("{layer}.bias"))?))
        });
        let (mean, log_variance) = (mean?, log_variance?);
        let k = mean.0.len();
        Ok(Some(Self {
            width: a.width,
            scales: source.get("embedding_layer.embeddings")?,
            biases: source.get("embedding_layer.bias")?,
            encoder: encoder.collect::<Result<_>>()?,
            decoder: decoder.collect::<Result<_>>()?,
            head: head.collect::<Result<_>>()?,
            outputs: Dense::pack(
                Precision::F32,
                &[mean.0, log_variance.0].concat(),
                &[mean.1, log_variance.1].concat(),
                k,
            ),
        }))
    }

    /// The number of elements in the longest row of the decoder's layers.
    pub(super) fn longest(&self) -> usize {
        self.head.iter().map(Dense::n).max().unwrap_or(0).max(padded(self.width))
    }
}

/// Reads a model's weights.
struct Source<'a> {
    model: &'a Model,
    width: usize,
    /// The precision of the layers whose products are most of the work. The attention's projections and the network's
    /// outputs stay in f32: they are little work, and errors matter most there.
    precision: Precision,
}

impl Source<'_> {
    fn get(&self, name: &str) -> Result<Vec<f32>> {
        let missing = || Error::new(ErrorKind::Model, "the model lacks a weight").at("weight", name);
        self.model.weight(name)?.ok_or_else(missing)
    }

    fn dense(&self, layer: &str, precision: Precision) -> Result<Dense> {
        let (weight, bias) = (self.get(&format!("{layer}.weight"))?, self.get(&format!("{layer}.bias"))?);
        let k = weight.len() / bias.len().max(1);
        Ok(Dense::pack(precision, &weight, &bias, k))
    }

    fn norm(&self, layer: &str) -> Result<Norm> {
        Ok(Norm { weight: self.get(&format!("{layer}.weight"))?, bias: self.get(&format!("{layer}.bias"))? })
    }

    fn rest(&self, block: &str) -> Result<Rest> {
        Ok(Rest {
            output: self.dense(&format!("{block}.attention.out_proj"), Precision::F32)?,
            norm_1: self.norm(&format!("{block}.layernorm_1"))?,
            dense_1: self.dense(&format!("{block}.dense_1"), self.precision)?,
            dense_2: self.dense(&format!("{block}.dense_2"), self.precision)?,
            norm_2: self.norm(&format!("{block}.layernorm_2"))?,
        })
    }

    /// Returns the weight and bias of queries, keys and values. Those of the queries are scaled by
    /// `log2(e) / sqrt(width / heads)`, so that a score is an exponent of 2.
    fn projections(&self, block: &str, heads: usize) -> Result<[(Vec<f32>, Vec<f32>); 3]> {
        let weight = self.get(&format!("{block}.attention.in_proj_weight"))?;
        let bias = self.get(&format!("{block}.attention.in_proj_bias"))?;
        let scale = (std::f64::consts::LOG2_E / ((self.width / heads) as f64).sqrt()) as f32;
        let square = self.width * self.width;
        let part = |i: usize| {
            let scale = if i == 0 { scale } else { 1.0 };
            let scaled = |values: &[f32]| values.iter().map(|v| v * scale).collect();
            (scaled(&weight[i * square..(i + 1) * square]), scaled(&bias[i * self.width..(i + 1) * self.width]))
        };
        Ok([part(0), part(1), part(2)])
    }

    fn encoder_block(&self, block: &str, heads: usize) -> Result<EncoderBlock> {
        let parts = self.projections(block, heads)?;
        let (weights, biases): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(EncoderBlock {
            heads,
            projection: Dense::pack(self.precision, &weights.concat(), &biases.concat(), self.width),
            extra_key: self.get(&format!("{block}.attention.bias_k"))?,
            extra_value: self.get(&format!("{block}.attention.bias_v"))?,
            rest: self.rest(block)?,
        })
    }

    fn decoder_block(&self, block: &str, heads: usize) -> Result<DecoderBlock> {
        let [query, key, value] = self.projections(block, heads)?;
        let d = self.width / heads;
        let extra_key = self.get(&format!("{block}.attention.bias_k"))?;
        let values = value.0.chunks_exact(d * self.width).zip(value.1.chunks_exact(d));
        Ok(DecoderBlock {
            heads,
            query: Dense::pack(Precision::F32, &query.0, &query.1, self.width),
            keys: key.0,
            extra_key: extra_key.iter().zip(&key.1).map(|(extra, bias)| extra - bias).collect(),
            values: values.map(|(weight, bias)| Dense::pack(Precision::F32, weight, bias, self.width)).collect(),
            extra_value: self.get(&format!("{block}.attention.bias_v"))?,
            rest: self.rest(block)?,
        })
    }
}
