//! The sizes of a model for which kernels are compiled, and the padding that follows from them.

use super::numbers::Numbers;
use crate::{
    LAYER_NORM_EPSILON, Model,
    weights::{BlockWeights, Place},
};

/// Outputs and rows per block of the kernel `dense`.
pub(super) const TILE: usize = 128;
/// Maximum number of slots of a context whose scores a warp can hold.
const MOST_SLOTS: usize = 128;
/// Maximum width of a token of which a warp can hold some rows.
const MOST_WIDTH: usize = 256;

/// A model's sizes and its storage type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) numbers: Numbers,
    pub(super) width: usize,
    /// Number of slots of a context.
    pub(super) slots: usize,
    pub(super) encoder_heads: Vec<usize>,
    pub(super) decoder_heads: Vec<usize>,
    /// Units of the hidden layers, padded to whole lines.
    pub(super) encoder_hidden: Vec<usize>,
    pub(super) decoder_hidden: Vec<usize>,
    /// Outputs of the layers after the decoder, padded to whole tiles.
    pub(super) head: Vec<usize>,
}

impl Shape {
    /// Returns the shape of `model`, or the reason why the kernels cannot run it.
    pub(super) fn of(model: &Model, numbers: Numbers) -> Result<Self, String> {
        let a = model.architecture();
        if !a.width.is_multiple_of(16) || a.width > MOST_WIDTH {
            return Err(format!("a width of {}, where it takes multiples of 16 up to {MOST_WIDTH}", a.width));
        }
        if a.context_length > MOST_SLOTS {
            return Err(format!("a context of {} slots, where it takes up to {MOST_SLOTS}", a.context_length));
        }
        let layout = a.layout(model.vocabulary().len()).map_err(|e| e.to_string())?;
        let heads = |blocks: &[BlockWeights<Place>]| blocks.iter().map(|block| block.heads).collect::<Vec<_>>();
        let encoder_heads = heads(&layout.encoder);
        if encoder_heads.len() != 2 {
            return Err(format!("{} blocks in its encoder, where it takes two", encoder_heads.len()));
        }
        if encoder_heads.iter().any(|heads| !(a.width / heads).is_multiple_of(2))
            || encoder_heads[0] == encoder_heads[1]
        {
            return Err(format!("{} heads of odd size in its encoder", a.encoder_heads));
        }
        if model.vocabulary().len() > usize::from(u16::MAX) {
            return Err(format!("{} tokens", model.vocabulary().len()));
        }
        let line = numbers.per_line();
        let hidden = |blocks: &[BlockWeights<Place>]| {
            blocks.iter().map(|block| block.dense_1.bias.shape[0].next_multiple_of(line)).collect()
        };
        Ok(Self {
            numbers,
            width: a.width,
            slots: a.context_length,
            encoder_heads,
            decoder_heads: heads(&layout.decoder),
            encoder_hidden: hidden(&layout.encoder),
            decoder_hidden: hidden(&layout.decoder),
            head: layout.head.iter().map(|layer| layer.bias.shape[0].next_multiple_of(TILE)).collect(),
        })
    }

    /// Distance in elements between the rows of two tokens.
    pub(super) fn row(&self) -> usize {
        self.width.next_multiple_of(self.numbers.per_line())
    }

    /// Distance in elements between the queries, keys and values of two tokens.
    pub(super) fn projected_row(&self) -> usize {
        (3 * self.width).next_multiple_of(TILE)
    }

    /// Distance in elements between the score vectors of two requests, in a block of `heads`.
    pub(super) fn asking_row(&self, heads: usize) -> usize {
        (heads * (self.width + 2)).next_multiple_of(TILE)
    }

    /// Distance in elements between the means of two requests.
    pub(super) fn means_row(&self, heads: usize) -> usize {
        (heads * (self.width + 1)).next_multiple_of(self.numbers.per_line())
    }

    /// The kernels' constants as compiler options.
    pub(super) fn defines(&self) -> Vec<String> {
        let head = |i: usize| self.width / self.encoder_heads[i];
        [
            ("PRECISION", self.numbers.code() as usize),
            ("WIDTH", self.width),
            ("SLOTS", self.slots),
            ("FIRST_HEAD", head(0)),
            ("SECOND_HEAD", head(1)),
        ]
        .map(|(name, value)| format!("-D{name}={value}"))
        .into_iter()
        .chain([format!("-DLAYER_NORM_EPSILON={LAYER_NORM_EPSILON:e}f")])
        .collect()
    }
}
