//! Batches in the layout of the kernels: the tokens of all stars one after the other, without empty slots.

use std::ops::Range;

use lamcat_core::{
    context::Packed,
    schema::{PADDING, TokenId},
};

use super::sizes::{Lengths, SIZES};
use crate::{
    Model,
    inference::{Answers, Requests},
};

/// Host memory for a batch that will be copied to the GPU, with the lengths given by [`Lengths`].
pub(super) struct BatchMemory<'a> {
    /// The numbers of stars and tokens, and 1; then the requests; then the index of each star's first token, followed
    /// by the total number of tokens.
    pub(super) numbers: &'a mut [i32],
    pub(super) tokens: &'a mut [u16],
    pub(super) values: &'a mut [f32],
}

/// Writes rows `rows` of `batch`; returns how much there is to copy.
pub(super) fn write(batch: &Packed, rows: Range<usize>, requests: &Requests, to: &mut BatchMemory<'_>) -> Lengths {
    let (tokens, values) = batch.slice(rows.clone());
    let slots = batch.context_length.max(1);
    let starts = SIZES + requests.tokens.len();
    to.numbers[starts] = 0;
    let mut end = 0;
    for (star, (tokens, values)) in tokens.chunks(slots).zip(values.chunks(slots)).enumerate() {
        end += write_star(tokens, values, &mut to.tokens[end..], &mut to.values[end..]);
        to.numbers[starts + 1 + star] = end as i32;
    }
    to.numbers[..SIZES].copy_from_slice(&[rows.len() as i32, end as i32, 1]);
    for (to, token) in to.numbers[SIZES..starts].iter_mut().zip(&requests.tokens) {
        *to = *token as i32;
    }
    Lengths { numbers: starts + rows.len() + 1, tokens: end }
}

/// Writes the tokens and values of one star; returns their number.
fn write_star(tokens: &[TokenId], values: &[f32], to_tokens: &mut [u16], to_values: &mut [f32]) -> usize {
    // Most stars have a token in every slot.
    if tokens.iter().all(|token| *token != PADDING) {
        to_values[..values.len()].copy_from_slice(values);
        to_tokens.iter_mut().zip(tokens).for_each(|(to, token)| *to = *token as u16);
        return tokens.len();
    }
    let mut count = 0;
    for (token, value) in tokens.iter().zip(values).filter(|(token, _)| **token != PADDING) {
        to_tokens[count] = *token as u16;
        to_values[count] = *value;
        count += 1;
    }
    count
}

/// Appends the answers of a batch: `pairs` holds the mean and log variance of each request of each star, `means` the
/// mean token of each star.
pub(super) fn read(model: &Model, requests: &Requests, pairs: &[f32], means: &[f32], to: &mut Answers) {
    let vocabulary = model.vocabulary();
    for (pair, token) in pairs.chunks_exact(2).zip(requests.tokens.iter().cycle()) {
        to.mean.push(vocabulary.destandardise(*token, pair[0]));
        to.sigma.push((f64::from(pair[1] / 2.0).exp() * vocabulary.token(*token).scale) as f32);
    }
    to.embedding.extend_from_slice(means);
}

#[cfg(test)]
mod tests {
    use super::{super::sizes::BatchLimits, *};

    #[test]
    fn empty_slots_are_left_out() {
        let batch = Packed {
            rows: 3,
            context_length: 3,
            tokens: vec![9, 9, 9, 5, 0, 7, 1, 2, 3],
            values: vec![9.0, 9.0, 9.0, 0.5, 0.0, 0.7, 0.1, 0.2, 0.3],
        };
        let requests = Requests { tokens: vec![11, 12], embedding: false };
        let lengths = Lengths::of(BatchLimits { stars: 4, asked: 2, embedding: false }, 3);
        let (mut numbers, mut tokens, mut values) =
            (vec![-1; lengths.numbers], vec![0; lengths.tokens], vec![0.0; lengths.tokens]);
        let mut given = BatchMemory { numbers: &mut numbers, tokens: &mut tokens, values: &mut values };
        let used = write(&batch, 1..3, &requests, &mut given);
        assert_eq!(used, Lengths { numbers: 8, tokens: 5 });
        assert_eq!(numbers, [2, 5, 1, 11, 12, 0, 2, 5, -1, -1]);
        assert_eq!(tokens[..5], [5, 7, 1, 2, 3]);
        assert_eq!(values[..5], [0.5, 0.7, 0.1, 0.2, 0.3]);
    }
}
