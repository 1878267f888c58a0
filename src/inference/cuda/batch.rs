//! Batches as the kernels take them: the tokens of all stars behind each other, without empty slots.

use std::ops::Range;

use super::plan::Plan;
use crate::{
    context::Packed,
    inference::{Answers, Requests},
    model::Model,
    schema::PADDING,
};

/// Where a piece of a batch goes in its memory, and its bytes' place in what is copied there.
pub(super) type Piece = (usize, Range<usize>);

/// Writes rows `rows` of `batch` into `to`, which has room for [`bytes`]; returns the pieces to copy.
pub(super) fn write(plan: &Plan, batch: &Packed, rows: Range<usize>, requests: &Requests, to: &mut [u8]) -> [Piece; 5] {
    let (tokens, values) = batch.slice(rows.clone());
    let places = plan.places;
    let mut at = Cursor { to, at: 0 };
    let present = || tokens.iter().zip(values).filter(|(token, _)| **token != PADDING);
    let mut end = 0;
    let starts = std::iter::once(0).chain(tokens.chunks(batch.context_length.max(1)).map(|star| {
        end += star.iter().filter(|token| **token != PADDING).count() as i32;
        end
    }));
    let starts = at.put(starts.map(i32::to_le_bytes));
    let sizes = at.put([rows.len() as i32, end, 1].into_iter().map(i32::to_le_bytes));
    let asked = at.put(requests.tokens.iter().map(|token| token.to_le_bytes()));
    let values = at.put(present().map(|(_, value)| value.to_le_bytes()));
    let tokens = at.put(present().map(|(token, _)| (*token as u16).to_le_bytes()));
    [
        (places.sizes, sizes),
        (places.requests, asked),
        (places.starts, starts),
        (places.tokens, tokens),
        (places.values, values),
    ]
}

/// Bytes that [`write`] needs at most.
pub(super) fn bytes(plan: &Plan, slots: usize) -> usize {
    4 * (3 + plan.most.asked + plan.most.stars + 1) + plan.most.stars * slots * (4 + 2) + 5 * ALIGNMENT
}

/// Pieces begin where every type of number may.
const ALIGNMENT: usize = 16;

struct Cursor<'a> {
    to: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    fn put<const N: usize>(&mut self, numbers: impl Iterator<Item = [u8; N]>) -> Range<usize> {
        let from = self.at;
        let mut end = from;
        for (number, room) in numbers.zip(self.to[from..].chunks_exact_mut(N)) {
            room.copy_from_slice(&number);
            end += N;
        }
        self.at = end.next_multiple_of(ALIGNMENT);
        from..end
    }
}

/// Appends the answers of a batch: `pairs` holds mean and log variance of each request of each star, `means` the mean
/// token of each star.
pub(super) fn read(model: &Model, requests: &Requests, pairs: &[f32], means: &[f32], to: &mut Answers) {
    let vocabulary = model.vocabulary();
    for (pair, token) in pairs.chunks_exact(2).zip(requests.tokens.iter().cycle()) {
        to.mean.push(vocabulary.destandardise(*token, pair[0]));
        to.sigma.push((f64::from(pair[1] / 2.0).exp() * vocabulary.token(*token).scale) as f32);
    }
    to.embedding.extend_from_slice(means);
}
