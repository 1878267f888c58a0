//! The bits of `lam_flags`: what was odd about a row, 0 when nothing was.

/// At least one slot of the context had no value (NULL or NaN).
pub const INPUT_MISSING: i32 = 1 << 0;
/// Every BP coefficient of the context was missing.
pub const BP_MISSING: i32 = 1 << 1;
/// Every RP coefficient of the context was missing.
pub const RP_MISSING: i32 = 1 << 2;
/// An input was infinite; it was treated as missing.
pub const INPUT_NON_FINITE: i32 = 1 << 3;
/// An input lies more than [`RANGE_SIGMA`] standard deviations from the training set's median.
pub const OUT_OF_RANGE: i32 = 1 << 4;
/// The `xp` list had another length than the model's coefficients; the results are NULL.
pub const WRONG_LENGTH: i32 = 1 << 5;
/// Nothing usable was left in the context; the results are NULL.
pub const NO_INPUT: i32 = 1 << 6;
/// An answer of the model was not finite; that value, or element of a list, is NULL.
pub const OUTPUT_NON_FINITE: i32 = 1 << 7;
/// The model has random weights: the results mean nothing.
pub const UNTRAINED: i32 = 1 << 8;
/// The spectrum is unlike those of the training stars: `lam_ood_score` exceeds the model's threshold.
pub const OUT_OF_DOMAIN: i32 = 1 << 9;

/// The bits that say which inputs were there, and nothing of how good the results are.
pub const INPUTS: i32 = INPUT_MISSING | BP_MISSING | RP_MISSING;

/// How far from the training median an input may lie, in the token's robust standard deviations.
pub const RANGE_SIGMA: f32 = 20.0;

/// Every bit with its name and meaning, for documentation.
pub const ALL: [(i32, &str, &str); 10] = [
    (INPUT_MISSING, "input_missing", "at least one slot of the context had no value"),
    (BP_MISSING, "bp_missing", "every BP coefficient of the context was missing"),
    (RP_MISSING, "rp_missing", "every RP coefficient of the context was missing"),
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
