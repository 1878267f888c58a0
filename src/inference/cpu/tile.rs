//! The way of some stars through the network, on one core.

use lamcat_kernels::{
    AddAndNorm, Buffer, Embed, Int8Rows, Left, Path, Product, Right, SelfAttention, Softmax, Start, padded,
};

use super::{
    dense::{Part, Rows, STRETCH},
    network::{DecoderBlock, EncoderBlock, Network, Norm, Rest},
};
use crate::schema::TokenId;

/// PyTorch's default, which the published model uses.
const LAYER_NORM_EPSILON: f32 = 1e-5;
/// Tokens that go through the encoder together.
const ENCODER_ROWS: usize = 256;
/// Rows that go through the decoder's wide layers together, at most.
const DECODER_ROWS: usize = 256;
/// Units of a hidden layer at once.
const HIDDEN: usize = 2 * STRETCH;
/// Requests of a star at once.
const REQUESTS: usize = 8;

/// One core's memory and instructions.
#[derive(Debug, Default)]
pub(super) struct Tile {
    path: Path,
    /// What the encoder makes of the tokens of all stars: `(tokens, width)`.
    perception: Buffer,
    /// Where the tokens of each star begin, and where the last one's end.
    starts: Vec<usize>,
    a: Buffer,
    b: Buffer,
    scratch: Buffer,
    /// Rows in 8 bits: those that a wide layer is asked with, and those that any other is.
    wide: Int8Rows,
    rounded: Int8Rows,
    star: Star,
}

/// Room for the attention of one star's requests.
#[derive(Debug, Default)]
struct Star {
    /// `(heads requests, width)`.
    absorbed: Buffer,
    /// `(width, columns)`.
    queries: Buffer,
    /// `(tokens, columns)`.
    scores: Buffer,
    /// Scores that every token has, `(columns)`.
    common: Buffer,
    /// Scores of the extra key, then its weights: `(columns)`.
    extra: Buffer,
    /// Means of the tokens, `(heads requests, width)`.
    means: Buffer,
    /// One head's part of the answers.
    part: Buffer,
}

impl Tile {
    /// Encodes the stars whose `tokens` and `values` are given, each of `slots`; empty slots are left out.
    pub(super) fn perceive(&mut self, network: &Network, path: Path, tokens: &[TokenId], values: &[f32], slots: usize) {
        self.path = path;
        let width = network.width;
        self.starts.clear();
        self.starts.push(0);
        let present = tokens.iter().filter(|token| **token != 0).count();
        let mut perception = std::mem::take(&mut self.perception);
        perception.at_least(present * width);
        let mut at = 0;
        for (tokens, values) in tokens.chunks_exact(slots).zip(values.chunks_exact(slots)) {
            for (token, value) in tokens.iter().zip(values).filter(|(token, _)| **token != 0) {
                let row = *token as usize * width;
                let (scale, bias) = (&network.scales[row..row + width], &network.biases[row..row + width]);
                let out = &mut perception[at * width..(at + 1) * width];
                self.path.embed(Embed { scale, bias, value: *value, out });
                at += 1;
            }
            self.starts.push(at);
        }
        let stars = self.starts.len() - 1;
        let mut first = 0;
        while first < stars {
            let mut end = first + 1;
            while end < stars && self.starts[end + 1] - self.starts[first] <= ENCODER_ROWS {
                end += 1;
            }
            let x = &mut perception[self.starts[first] * width..self.starts[end] * width];
            for block in &network.encoder {
                self.encoder_block(block, width, x, first..end);
            }
            first = end;
        }
        self.perception = perception;
    }

    fn encoder_block(&mut self, block: &EncoderBlock, width: usize, x: &mut [f32], stars: std::ops::Range<usize>) {
        let rows = x.len() / width;
        let (mut a, mut b, mut scratch) =
            (std::mem::take(&mut self.a), std::mem::take(&mut self.b), std::mem::take(&mut self.scratch));
        a.at_least(rows * 3 * width);
        b.at_least(rows * width);
        self.rows(x, width, rows).through_all(&block.projection, false, &mut a);
        let first = self.starts[stars.start];
        for star in stars {
            let (from, to) = (self.starts[star] - first, self.starts[star + 1] - first);
            self.path.attend(SelfAttention {
                projected: &a[from * 3 * width..to * 3 * width],
                tokens: to - from,
                width,
                heads: block.heads,
                extra_key: &block.extra_key,
                extra_value: &block.extra_value,
                out: &mut b[from * width..to * width],
                scratch: &mut scratch,
            });
        }
        (self.a, self.b, self.scratch) = (a, b, scratch);
        self.rest(&block.rest, width, x);
    }

    /// What follows the attention, whose answer is in `self.b`; `x` holds what was asked and then what the block gives.
    fn rest(&mut self, rest: &Rest, width: usize, x: &mut [f32]) {
        let rows = x.len() / width;
        let (mut a, mut b) = (std::mem::take(&mut self.a), std::mem::take(&mut self.b));
        a.at_least(rows * HIDDEN.max(width));
        self.rows(&b, width, rows).through_all(&rest.output, false, &mut a);
        self.add_and_norm(&rest.norm_1, x, &a[..rows * width]);
        let (wide, narrow) = (&rest.dense_1, &rest.dense_2);
        let mut rounded = std::mem::take(&mut self.wide);
        let mut asked = Rows::new(self.path, x, width, rows, &mut rounded);
        for from in (0..wide.n()).step_by(HIDDEN) {
            let units = HIDDEN.min(wide.n() - from);
            let inputs = units.min(narrow.k() - from);
            let start = Start::Bias(&wide.bias()[from..]);
            let outputs = (from, units);
            asked.through(Part { layer: wide, inputs: (0, width), outputs, start, gelu: true, out: &mut a });
            let start = if from == 0 { Start::Bias(narrow.bias()) } else { Start::Result };
            let (inputs, outputs) = ((from, inputs), (0, width));
            let part = Part { layer: narrow, inputs, outputs, start, gelu: false, out: &mut b };
            self.rows(&a, units, rows).through(part);
        }
        self.wide = rounded;
        self.add_and_norm(&rest.norm_2, x, &b[..rows * width]);
        (self.a, self.b) = (a, b);
    }

    fn add_and_norm(&self, norm: &Norm, x: &mut [f32], residual: &[f32]) {
        let (weight, bias) = (&norm.weight, &norm.bias);
        self.path.add_and_norm(AddAndNorm { x, residual, weight, bias, epsilon: LAYER_NORM_EPSILON });
    }

    /// `rows` rows of `x` for layers.
    fn rows<'a>(&'a mut self, x: &'a [f32], stride: usize, rows: usize) -> Rows<'a> {
        Rows::new(self.path, x, stride, rows, &mut self.rounded)
    }

    /// Mean perception of each star, `(stars, width)`; zero without tokens.
    pub(super) fn embeddings(&self, network: &Network, out: &mut Vec<f32>) {
        let width = network.width;
        for star in self.starts.windows(2) {
            let mut sums = vec![0.0; width];
            for row in self.perception[star[0] * width..star[1] * width].chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            let count = (star[1] - star[0]).max(1) as f32;
            out.extend(sums.iter().map(|sum| sum / count));
        }
    }

    /// Answers `requests` for every star that was perceived: standardised mean and log variance of each, star by star.
    pub(super) fn request(&mut self, network: &Network, requests: &[TokenId], mut answer: impl FnMut(f32, f32)) {
        let width = network.width;
        let embedded: Vec<f32> = requests
            .iter()
            .flat_map(|token| &network.scales[*token as usize * width..(*token as usize + 1) * width])
            .copied()
            .collect();
        let stars = self.starts.len() - 1;
        let most = (DECODER_ROWS / requests.len()).max(1);
        let mut x = Vec::new();
        for first in (0..stars).step_by(most) {
            let end = (first + most).min(stars);
            x.clear();
            (first..end).for_each(|_| x.extend_from_slice(&embedded));
            for block in &network.decoder {
                self.decoder_block(block, width, &mut x, first..end);
            }
            self.head(network, &x, &mut answer);
        }
    }

    fn head(&mut self, network: &Network, x: &[f32], answer: &mut impl FnMut(f32, f32)) {
        let rows = x.len() / network.width;
        let (mut a, mut b) = (std::mem::take(&mut self.a), std::mem::take(&mut self.b));
        a.at_least(rows * network.longest());
        b.at_least(rows * network.longest());
        let mut stride = network.width;
        a[..x.len()].copy_from_slice(x);
        for layer in &network.head {
            self.rows(&a, stride, rows).through_all(layer, true, &mut b);
            stride = layer.n();
            std::mem::swap(&mut a, &mut b);
        }
        self.rows(&a, stride, rows).through_all(&network.outputs, false, &mut b);
        b.chunks_exact(network.outputs.n()).take(rows).for_each(|row| answer(row[0], row[1]));
        (self.a, self.b) = (a, b);
    }

    fn decoder_block(&mut self, block: &DecoderBlock, width: usize, x: &mut [f32], stars: std::ops::Range<usize>) {
        let rows = x.len() / width;
        let requests = rows / stars.len();
        let of_head = width / block.heads;
        let (mut a, mut b, mut means) =
            (std::mem::take(&mut self.a), std::mem::take(&mut self.b), std::mem::take(&mut self.scratch));
        a.at_least(rows * width);
        b.at_least(rows * width);
        // Means of the tokens by each head's weights, `(heads, rows, width)`, and the weights of the extra key.
        means.at_least(rows * block.heads * (width + 1));
        let (means_of, extra_of) = means.split_at_mut(rows * block.heads * width);
        self.rows(x, width, rows).through_all(&block.query, false, &mut a);
        for (nth, star) in stars.enumerate() {
            for from in (0..requests).step_by(REQUESTS) {
                let count = REQUESTS.min(requests - from);
                let first = nth * requests + from;
                self.attend(block, &a[first * width..(first + count) * width], star, count);
                for head in 0..block.heads {
                    let (to, at) = ((head * rows + first) * width, head * count * width);
                    let taken = &self.star.means[at..at + count * width];
                    means_of[to..to + count * width].copy_from_slice(taken);
                    let weights = &self.star.extra[head * count..(head + 1) * count];
                    extra_of[head * rows + first..head * rows + first + count].copy_from_slice(weights);
                }
            }
        }
        let mut part = std::mem::take(&mut self.star.part);
        for (head, values) in block.values.iter().enumerate() {
            part.at_least(rows * values.n());
            // The bias has the weight of the tokens alone; it is added below.
            self.rows(&means_of[head * rows * width..], width, rows).through_all(values, false, &mut part);
            let (bias, extra) = (&values.bias()[..of_head], &block.extra_value[head * of_head..(head + 1) * of_head]);
            for row in 0..rows {
                let weight = extra_of[head * rows + row];
                let out = &mut b[row * width + head * of_head..][..of_head];
                for (k, out) in out.iter_mut().enumerate() {
                    *out = part[row * values.n() + k] + weight * (extra[k] - bias[k]);
                }
            }
        }
        self.star.part = part;
        (self.a, self.b, self.scratch) = (a, b, means);
        self.rest(&block.rest, width, x);
    }

    /// Lets the `queries` `(count, width)` of a star attend to its tokens: means of the tokens `(heads, count, width)` and
    /// weights of the extra key `(heads, count)` into `self.star`.
    fn attend(&mut self, block: &DecoderBlock, queries: &[f32], star: usize, count: usize) {
        let width = block.key_bias.len();
        let (heads, d) = (block.heads, width / block.heads);
        let (lines, columns) = (heads * count, padded(heads * count));
        let tokens = &self.perception[self.starts[star] * width..self.starts[star + 1] * width];
        let n = tokens.len() / width;
        let Star { absorbed, queries: turned, scores, common, extra, means, .. } = &mut self.star;
        absorbed.at_least(lines * width);
        for head in 0..heads {
            self.path.product(Product {
                m: count,
                k: d,
                left: Left { data: &queries[head * d..], row: width, column: 1 },
                right: block.absorbed(head),
                start: Start::Bias(&vec![0.0; width]),
                gelu: false,
                out: &mut absorbed[head * count * width..],
                stride: width,
            });
        }
        turned.at_least(width * columns);
        common.at_least(columns).fill(0.0);
        extra.at_least(columns).fill(0.0);
        for line in 0..lines {
            for (i, value) in absorbed[line * width..(line + 1) * width].iter().enumerate() {
                turned[i * columns + line] = *value;
            }
            let (head, request) = (line / count, line % count);
            let query = &queries[request * width + head * d..][..d];
            let dot = |other: &[f32]| query.iter().zip(other).map(|(q, k)| q * k).sum();
            common[line] = dot(&block.key_bias[head * d..]);
            extra[line] = dot(&block.extra_key[head * d..]);
        }
        scores.at_least(n * columns);
        self.path.product(Product {
            m: n,
            k: width,
            left: Left { data: tokens, row: width, column: 1 },
            right: Right::rows(turned, columns),
            start: Start::Bias(common),
            gelu: false,
            out: scores,
            stride: columns,
        });
        self.path.softmax(Softmax { scores: &mut scores[..n * columns], extra: &mut extra[..columns] });
        means.at_least(lines * width);
        self.path.product(Product {
            m: lines,
            k: n,
            left: Left { data: scores, row: 1, column: columns },
            right: Right::rows(tokens, width),
            start: Start::Bias(&vec![0.0; width]),
            gelu: false,
            out: means,
            stride: width,
        });
    }
}
