//! A model's weights in the layout of the kernels, in one piece of memory.
//!
//! In the decoder, where one request attends to all tokens, neither keys nor values are computed. With the query
//! `Q z + a`, a token `x` has the score `(Q z + a) (K x + b) = (K' Q z + K' a) x + (Q z + a) b`: one layer computes the
//! vector and the added number from the request `z`. The result `O (V m + (1 - p) c + p e) + o` of the weighted mean
//! `m` of the tokens, the weight `p` of the extra key and its value `e` is a layer of `m` and `p`.

use std::f64::consts::LN_2;

use lamcat_core::error::{Error, Result};

use super::{
    numbers::Numbers,
    shape::{Shape, TILE},
};
use crate::{
    Model,
    weights::{BlockWeights, LayerWeights},
};

/// The weights of a layer in a model, not packed.
type ModelLayer = LayerWeights<Vec<f64>>;
type ModelBlock = BlockWeights<Vec<f64>>;

/// The byte offset at which something begins among the weights.
pub(super) type Place = usize;

/// A layer: weight `(outputs, k)` and bias.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) weight: Place,
    pub(super) bias: Place,
    pub(super) k: usize,
}

/// A layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Place,
    pub(super) bias: Place,
}

/// The two dense layers and the norms that follow the attention.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) output: Layer,
    pub(super) norm_1: Norm,
    pub(super) wide: Layer,
    pub(super) narrow: Layer,
    pub(super) norm_2: Norm,
}

/// A block of the encoder.
#[derive(Debug)]
pub(super) struct EncoderBlock {
    pub(super) projection: Layer,
    pub(super) extra_key: Place,
    pub(super) extra_value: Place,
    pub(super) rest: Rest,
}

/// A block of the decoder.
#[derive(Debug)]
pub(super) struct DecoderBlock {
    /// The layer from a request to the vectors whose products with the tokens are the scores.
    pub(super) asking: Layer,
    pub(super) rest: Rest,
}

/// A model's weights.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) shape: Shape,
    pub(super) bytes: Vec<u8>,
    /// Scales of the token embedding, `(tokens + 1, width)` in f32.
    pub(super) scales: Place,
    pub(super) biases: Place,
    pub(super) encoder: Vec<EncoderBlock>,
    pub(super) decoder: Vec<DecoderBlock>,
    pub(super) head: Vec<Layer>,
    /// The output layer for mean and log variance, in f32.
    pub(super) answer: Layer,
}

impl Network {
    /// Packs `model`.
    pub(super) fn pack(model: &Model, shape: Shape) -> Result<Self> {
        let weights = model.weights()?;
        let weights =
            weights.try_map(|numbers| Ok::<_, Error>(numbers.iter().copied().map(f64::from).collect::<Vec<_>>()))?;
        let mut pack = Pack { shape: &shape, bytes: Vec::new() };
        let (scales, biases) = (pack.put_floats(weights.scales.iter()), pack.put_floats(weights.biases.iter()));
        let encoder = weights.encoder.iter().enumerate().map(|(i, block)| pack.encoder_block(block, i)).collect();
        let decoder = weights.decoder.iter().enumerate().map(|(i, block)| pack.decoder_block(block, i)).collect();
        let mut k = shape.row();
        let mut head = Vec::new();
        for (layer, outputs) in weights.head.iter().zip(&shape.head) {
            head.push(pack.layer(&Source::of(layer), *outputs, k, false));
            k = *outputs;
        }
        let (mean, log_variance) = (weights.mean, weights.log_variance);
        let answer = Layer {
            k: mean.weight.len(),
            weight: pack.put_floats(mean.weight.iter().chain(&log_variance.weight)),
            bias: pack.put_floats(mean.bias.iter().chain(&log_variance.bias)),
        };
        let bytes = pack.bytes;
        Ok(Self { shape, bytes, scales, biases, encoder, decoder, head, answer })
    }
}

/// A layer as stored in a model: `weight` `(outputs, k)`.
struct Source {
    weight: Vec<f64>,
    bias: Vec<f64>,
    k: usize,
}

impl Source {
    fn of(layer: &ModelLayer) -> Self {
        Self { k: layer.weight.len() / layer.bias.len().max(1), weight: layer.weight.clone(), bias: layer.bias.clone() }
    }
}

struct Pack<'a> {
    shape: &'a Shape,
    bytes: Vec<u8>,
}

impl Pack<'_> {
    /// Begins a new item at an offset where 16 bytes can be read at once.
    fn begin(&mut self) -> Place {
        self.bytes.resize(self.bytes.len().next_multiple_of(128), 0);
        self.bytes.len()
    }

    fn put_floats<'b>(&mut self, values: impl Iterator<Item = &'b f64>) -> Place {
        let at = self.begin();
        self.bytes.extend(values.flat_map(|v| (*v as f32).to_le_bytes()));
        at
    }

    fn put_numbers(&mut self, values: &[f64]) -> Place {
        let at = self.begin();
        let numbers = self.shape.numbers;
        for value in values {
            numbers.write(*value as f32, &mut self.bytes);
        }
        at
    }

    fn norm(&mut self, layer: &ModelLayer) -> Norm {
        Norm { weight: self.put_floats(layer.weight.iter()), bias: self.put_floats(layer.bias.iter()) }
    }

    /// Packs a layer, padded with zeros to `outputs` and `k`; `paired` orders a matrix as the kernel `feed_forward`
    /// needs it.
    fn layer(&mut self, source: &Source, outputs: usize, k: usize, paired: bool) -> Layer {
        let at = self.begin();
        let numbers = self.shape.numbers;
        let given = source.bias.len();
        for output in 0..outputs {
            for i in 0..k {
                let i = if paired { paired_place(numbers, i) } else { i };
                let value = if output < given && i < source.k { source.weight[output * source.k + i] } else { 0.0 };
                numbers.write(value as f32, &mut self.bytes);
            }
        }
        let padding = std::iter::repeat_n(&0.0, outputs.saturating_sub(given));
        Layer { weight: at, bias: self.put_floats(source.bias.iter().chain(padding)), k }
    }

    fn rest(&mut self, block: &ModelBlock, output: &Source, k: usize, hidden: usize) -> Rest {
        let (width, row) = (self.shape.width, self.shape.row());
        Rest {
            output: self.layer(output, width, k, false),
            norm_1: self.norm(&block.norm_1),
            wide: self.layer(&Source::of(&block.dense_1), hidden, row, true),
            narrow: self.layer(&Source::of(&block.dense_2), width, hidden, true),
            norm_2: self.norm(&block.norm_2),
        }
    }

    /// Returns the layers of queries, keys and values; the queries are scaled so that scores are exponents of 2.
    fn projections(&self, block: &ModelBlock) -> [Source; 3] {
        let width = self.shape.width;
        let ModelLayer { weight, bias } = &block.projection;
        let scale = 1.0 / (((width / block.heads) as f64).sqrt() * LN_2);
        [0, 1, 2].map(|i| {
            let scaled = |values: &[f64]| values.iter().map(|v| if i == 0 { v * scale } else { *v }).collect();
            Source {
                weight: scaled(&weight[i * width * width..(i + 1) * width * width]),
                bias: scaled(&bias[i * width..(i + 1) * width]),
                k: width,
            }
        })
    }

    fn encoder_block(&mut self, block: &ModelBlock, i: usize) -> EncoderBlock {
        let parts = self.projections(block);
        let all = Source {
            weight: parts.iter().flat_map(|p| p.weight.iter().copied()).collect(),
            bias: parts.iter().flat_map(|p| p.bias.iter().copied()).collect(),
            k: self.shape.width,
        };
        let (projected, row) = (self.shape.projected_row(), self.shape.row());
        EncoderBlock {
            projection: self.layer(&all, projected, row, false),
            extra_key: self.put_numbers(&block.extra_key),
            extra_value: self.put_numbers(&block.extra_value),
            rest: self.rest(block, &Source::of(&block.output), row, self.shape.encoder_hidden[i]),
        }
    }

    fn decoder_block(&mut self, block: &ModelBlock, i: usize) -> DecoderBlock {
        let heads = block.heads;
        let [query, key, value] = self.projections(block);
        let asking = asking(heads, &query, &key, &block.extra_key);
        let answering = answering(heads, &value, &block.extra_value, &Source::of(&block.output));
        let (row, asking_row, means_row) =
            (self.shape.row(), self.shape.asking_row(heads), self.shape.means_row(heads));
        debug_assert!(asking_row.is_multiple_of(TILE));
        DecoderBlock {
            asking: self.layer(&asking, asking_row, row, false),
            rest: self.rest(block, &answering, means_row, self.shape.decoder_hidden[i]),
        }
    }
}

/// Returns the source index of number `i` in a row whose fragments are paired: if numbers have 32 bits, each step along
/// k has first the even numbers, then the odd ones.
fn paired_place(numbers: Numbers, i: usize) -> usize {
    let step = numbers.k_step();
    if step != 8 {
        return i;
    }
    let (from, slot) = (i / step * step, i % step);
    from + if slot < 4 { 2 * slot } else { 2 * (slot - 4) + 1 }
}

/// Returns the layer from a request to each head's vector, to the number added to the head's scores, and to its score
/// of the extra key.
fn asking(heads: usize, query: &Source, key: &Source, extra_key: &[f64]) -> Source {
    let width = query.k;
    let d = width / heads;
    // Outputs that are the product of a head's query with `other(i)`, where `i` counts the numbers of all heads.
    let product = |head: usize, other: &dyn Fn(usize) -> f64| {
        let mut row = vec![0.0; width + 1];
        for i in head * d..(head + 1) * d {
            let other = other(i);
            let numbers = query.weight[i * width..(i + 1) * width].iter().chain(&query.bias[i..=i]);
            row.iter_mut().zip(numbers).for_each(|(sum, q)| *sum += other * q);
        }
        row
    };
    let mut rows = Vec::with_capacity(heads * (width + 2));
    for head in 0..heads {
        rows.extend((0..width).map(|j| product(head, &|i| key.weight[i * width + j])));
    }
    rows.extend((0..heads).map(|head| product(head, &|i| key.bias[i])));
    rows.extend((0..heads).map(|head| product(head, &|i| extra_key[i])));
    let bias = rows.iter().map(|row| row[width]).collect();
    Source { weight: rows.iter().flat_map(|row| &row[..width]).copied().collect(), bias, k: width }
}

/// Returns the layer from each head's mean of the tokens and weight of the extra key to the attention's result.
fn answering(heads: usize, value: &Source, extra_value: &[f64], output: &Source) -> Source {
    let width = value.k;
    let d = width / heads;
    let k = heads * (width + 1);
    let mut all = Source { weight: vec![0.0; width * k], bias: output.bias.clone(), k };
    for (o, row) in all.weight.chunks_exact_mut(k).enumerate() {
        for (i, (extra, bias)) in extra_value.iter().zip(&value.bias).enumerate() {
            let (head, from) = (i / d, output.weight[o * width + i]);
            let means = &mut row[head * width..(head + 1) * width];
            means.iter_mut().zip(&value.weight[i * width..]).for_each(|(sum, v)| *sum += from * v);
            row[heads * width + head] += from * (extra - bias);
            all.bias[o] += from * bias;
        }
    }
    all
}
