//! The bits of `lam_flags`: what was unusual about a row, 0 if nothing was. The bits for a missing block of
//! coefficients belong to the blocks of the model's [basis](crate::schema::Basis).

use std::sync::LazyLock;

use crate::{schema::Block, survey};

/// At least one slot of the context had no value (NULL or NaN).
pub const INPUT_MISSING: i32 = 1 << 0;
/// An input was infinite; it was treated as missing.
pub const INPUT_NON_FINITE: i32 = 1 << 3;
/// An input lies more than [`RANGE_SIGMA`] standard deviations from the training set's median.
pub const OUT_OF_RANGE: i32 = 1 << 4;
/// The length of the `xp` list differs from the number of the model's coefficients; the results are NULL.
pub const WRONG_LENGTH: i32 = 1 << 5;
/// The context contains no usable value; the results are NULL.
pub const NO_INPUT: i32 = 1 << 6;
/// An output of the model was not finite; that value, or that element of a list, is NULL.
pub const OUTPUT_NON_FINITE: i32 = 1 << 7;
/// The model has random weights: the results are meaningless.
pub const UNTRAINED: i32 = 1 << 8;
/// The spectrum is unlike the spectra of the training stars: `lam_ood_score` exceeds the model's threshold.
pub const OUT_OF_DOMAIN: i32 = 1 << 9;

/// The bits that say which inputs were present; they say nothing about the quality of the results.
pub const INPUTS: i32 = {
    let [first, second, third, fourth] = Block::FLAGS;
    INPUT_MISSING | first | second | third | fourth
};

/// The largest distance of an input from the training median, in the token's robust standard deviations.
pub const RANGE_SIGMA: f32 = 20.0;

/// Every bit with its name and meaning, in ascending order; the bits of blocks are named after the blocks of the known
/// bases.
#[must_use]
pub fn all() -> &'static [(i32, String, String)] {
    static ALL: LazyLock<Vec<(i32, String, String)>> = LazyLock::new(general_and_of_blocks);
    &ALL
}

fn general_and_of_blocks() -> Vec<(i32, String, String)> {
    let general = GENERAL.map(|(bit, name, meaning)| (bit, name.to_owned(), meaning.to_owned()));
    let mut all: Vec<_> = general.into_iter().collect();
    for block in survey::bases().iter().flat_map(|basis| &basis.blocks) {
        if all.iter().all(|(bit, ..)| *bit != block.missing_flag) {
            let meaning = format!("every {} coefficient of the context was missing", block.name.to_uppercase());
            all.push((block.missing_flag, format!("{}_missing", block.name), meaning));
        }
    }
    all.sort_by_key(|(bit, ..)| *bit);
    all
}

/// The bits that mean the same for every model.
const GENERAL: [(i32, &str, &str); 8] = [
    (INPUT_MISSING, "input_missing", "at least one slot of the context had no value"),
    (INPUT_NON_FINITE, "input_non_finite", "an input was infinite and treated as missing"),
    (OUT_OF_RANGE, "out_of_range", "an input lies more than 20 standard deviations from the training median"),
    (WRONG_LENGTH, "wrong_length", "the xp list has the wrong length; results are NULL"),
    (NO_INPUT, "no_input", "nothing usable in the context; results are NULL"),
    (OUTPUT_NON_FINITE, "output_non_finite", "an answer was not finite; that value, or element of a list, is NULL"),
    (UNTRAINED, "untrained", "the model has random weights: results mean nothing"),
    (
        OUT_OF_DOMAIN,
        "out_of_domain",
        "the spectrum is unlike those of the training stars: lam_ood_score exceeds the model's threshold",
    ),
];
