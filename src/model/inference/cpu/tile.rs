//! Computes the network for some stars on one core.

use lamcat_core::schema::TokenId;
use lamcat_kernels::{
    AddAndNorm, Buffer, Embed, Int8Rows, Left, Path, Product, Right, SelfAttention, Softmax, Start, padded,
};

use super::{
    dense::{LayerInput, Part, STRETCH},
    network::{DecoderBlock, EncoderBlock, Network, Norm, Rest},
};
use crate::LAYER_NORM_EPSILON;

/// Number of tokens that pass through the encoder together.
const ENCODER_ROWS: usize = 256;
/// Maximum number of rows that pass through the decoder's wide layers together.
const DECODER_ROWS: usize = 256;
/// Number of units of a hidden layer that are computed at once.
const HIDDEN: usize = 2 * STRETCH;
/// Number of rows that the decoder's attention processes together: whole blocks of a product.
const ATTENDED_ROWS: usize = 24;

/// One core's working memory and instruction set.
#[derive(Debug, Default)]
pub(super) struct Tile {
    path: Path,
    /// The encoder's output for the tokens of all stars: `(tokens, width)`.
    perception: Buffer,
    /// The index of each star's first token, followed by the total number of tokens.
    starts: Vec<usize>,
    a: Buffer,
    b: Buffer,
    scratch: Buffer,
    /// Rows in 8 bits: `wide` holds the inputs of the wide layers, `rounded` those of any other layer.
    wide: Int8Rows,
    rounded: Int8Rows,
    /// The transposed perception of each star, `(width, columns)`, where the columns are whole panels; and the index at
    /// which it begins.
    turned: Buffer,
    turned_starts: Vec<usize>,
    attention: Attention,
}

/// Working memory of the decoder's attention. A line is one head of one query.
#[derive(Debug, Default)]
struct Attention {
    /// The vectors whose product with a token is its score: `(lines, width)`.
    absorbed: Buffer,
    /// `(lines of a star, columns)`.
    scores: Buffer,
    /// Scores of the extra key, then its weights: `(lines)`.
    extra: Buffer,
    /// Weighted means of the tokens, `(lines, width)`.
    means: Buffer,
    /// One head's part of the result.
    part: Buffer,
}

/// Queries, `(rows, width)`; those of the same star are adjacent.
struct Asked<'a> {
    queries: &'a [f32],
    /// The index of the first query among all rows.
    first: usize,
    /// Number of rows per star.
    requests: usize,
    /// The star of row 0.
    first_star: usize,
}

impl Tile {
    /// Encodes the stars given by `tokens` and `values`, with `slots` slots each; empty slots are left out.
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

    /// Computes the layers that follow the attention, whose result is in `self.b`; `x` is the input of the block and
    /// then its output.
    fn rest(&mut self, rest: &Rest, width: usize, x: &mut [f32]) {
        let rows = x.len() / width;
        let (mut a, mut b) = (std::mem::take(&mut self.a), std::mem::take(&mut self.b));
        a.at_least(rows * HIDDEN.max(width));
        self.rows(&b, width, rows).through_all(&rest.output, false, &mut a);
        self.add_and_norm(&rest.norm_1, x, &a[..rows * width]);
        let (wide, narrow) = (&rest.dense_1, &rest.dense_2);
        let mut rounded = std::mem::take(&mut self.wide);
        let mut asked = LayerInput::new(self.path, x, width, rows, &mut rounded);
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

    /// Describes `rows` rows of `x` as the input of layers.
    fn rows<'a>(&'a mut self, x: &'a [f32], stride: usize, rows: usize) -> LayerInput<'a> {
        LayerInput::new(self.path, x, stride, rows, &mut self.rounded)
    }

    /// Appends the mean perception of each star, `(stars, width)`; zero for a star without tokens.
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

    /// Answers `requests` for every encoded star: the standardised mean and log variance of each request, star by star.
    pub(super) fn request(&mut self, network: &Network, requests: &[TokenId], mut answer: impl FnMut(f32, f32)) {
        let width = network.width;
        let embedded: Vec<f32> = requests
            .iter()
            .flat_map(|token| &network.scales[*token as usize * width..(*token as usize + 1) * width])
            .copied()
            .collect();
        self.turn(width);
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

    /// Transposes the perception of each star.
    fn turn(&mut self, width: usize) {
        self.turned_starts.clear();
        let mut size = 0;
        for star in self.starts.windows(2) {
            self.turned_starts.push(size);
            size += width * padded(star[1] - star[0]);
        }
        self.turned.at_least(size);
        for (star, at) in self.starts.windows(2).zip(&self.turned_starts) {
            let columns = padded(star[1] - star[0]);
            let tokens = self.perception[star[0] * width..star[1] * width].chunks_exact(width);
            for (column, token) in tokens.enumerate() {
                for (line, value) in self.turned[*at..].chunks_exact_mut(columns).zip(token) {
                    line[column] = *value;
                }
            }
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
        let (mut a, mut b) = (std::mem::take(&mut self.a), std::mem::take(&mut self.b));
        a.at_least(rows * width);
        b.at_least(rows * width);
        self.rows(x, width, rows).through_all(&block.query, false, &mut a);
        for first in (0..rows).step_by(ATTENDED_ROWS) {
            let end = (first + ATTENDED_ROWS).min(rows);
            let asked = Asked { queries: &a[first * width..end * width], first, requests, first_star: stars.start };
            self.attend(block, &asked, &mut b[first * width..end * width]);
        }
        (self.a, self.b) = (a, b);
        self.rest(&block.rest, width, x);
    }

    /// Computes the attention of queries to the tokens of their stars; `out` is `(rows, width)`.
    fn attend(&mut self, block: &DecoderBlock, asked: &Asked<'_>, out: &mut [f32]) {
        let width = block.extra_key.len();
        let (heads, of_head) = (block.heads, width / block.heads);
        let rows = asked.queries.len() / width;
        let mut room = std::mem::take(&mut self.attention);
        room.absorbed.at_least(rows * heads * width);
        room.means.at_least(rows * heads * width);
        room.extra.at_least(rows * heads);
        for head in 0..heads {
            self.path.product(Product {
                m: rows,
                k: of_head,
                left: Left { data: &asked.queries[head * of_head..], row: width, column: 1 },
                right: block.absorbed(head),
                start: Start::Zero,
                gelu: false,
                out: &mut room.absorbed[head * width..],
                stride: heads * width,
            });
        }
        for (line, extra) in room.extra[..rows * heads].iter_mut().enumerate() {
            let query = &asked.queries[line * of_head..][..of_head];
            let key = &block.extra_key[line % heads * of_head..][..of_head];
            *extra = query.iter().zip(key).map(|(q, k)| q * k).sum();
        }
        let mut row = 0;
        while row < rows {
            let (star, request) = ((asked.first + row) / asked.requests, (asked.first + row) % asked.requests);
            let end = rows.min(row + asked.requests - request);
            self.weigh(asked.first_star + star, row * heads..end * heads, width, &mut room);
            row = end;
        }
        for (head, values) in block.values.iter().enumerate() {
            room.part.at_least(rows * values.n());
            // `values` adds the whole bias, but its weight is only that of the tokens; this is corrected below.
            let means = &room.means[head * width..];
            self.rows(means, heads * width, rows).through_all(values, false, &mut room.part);
            let (bias, extra) = (&values.bias()[..of_head], &block.extra_value[head * of_head..][..of_head]);
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let weight = room.extra[row * heads + head];
                for (k, out) in out[head * of_head..][..of_head].iter_mut().enumerate() {
                    *out = room.part[row * values.n() + k] + weight * (extra[k] - bias[k]);
                }
            }
        }
        self.attention = room;
    }

    /// Computes the weighted means of a star's tokens for some lines of `room`.
    fn weigh(&self, star: usize, lines: std::ops::Range<usize>, width: usize, room: &mut Attention) {
        let tokens = &self.perception[self.starts[star] * width..self.starts[star + 1] * width];
        let (n, m) = (tokens.len() / width, lines.len());
        let columns = padded(n);
        room.scores.at_least(m * columns);
        self.path.product(Product {
            m,
            k: width,
            left: Left { data: &room.absorbed[lines.start * width..], row: width, column: 1 },
            right: Right::rows(&self.turned[self.turned_starts[star]..], columns),
            start: Start::Zero,
            gelu: false,
            out: &mut room.scores,
            stride: columns,
        });
        let (scores, extra) = (&mut room.scores[..m * columns], &mut room.extra[lines.clone()]);
        self.path.softmax(Softmax { scores, columns, count: n, extra });
        self.path.product(Product {
            m,
            k: n,
            left: Left { data: &room.scores, row: columns, column: 1 },
            right: Right::rows(tokens, width),
            start: Start::Zero,
            gelu: false,
            out: &mut room.means[lines.start * width..],
            stride: width,
        });
    }
}
