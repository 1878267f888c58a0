//! The arguments that XP functions share.

use lamcat_core::{
    error::{Error, ErrorKind},
    udf::{Argument, ListRule, Usage},
};

use crate::{
    DR4_BP_COEFFICIENTS, check_band_length,
    xp::{COEFFICIENTS_PER_BAND, is_triangle},
};

const FITS_HINT: &str = "FITS tables with one column per coefficient: `lamcat ingest` folds them into lists";

/// The rule for lists of a band's coefficients, at most 55.
pub(super) static COEFFICIENTS: ListRule = ListRule {
    check_type: check_coefficients,
    // A list that is too long is NULL in its row; a list of another release is always an error.
    check_row: Some(|_, argument, length| check_band_length(argument.name, length)),
    hint: FITS_HINT,
};
/// The rule for lists of the n (n - 1) / 2 correlations of n coefficients.
pub(super) static CORRELATIONS: ListRule =
    ListRule { check_type: check_correlations, check_row: None, hint: FITS_HINT };

fn check_coefficients(function: &Usage, argument: &Argument, length: usize) -> Result<(), Error> {
    let name = argument.name;
    if length == DR4_BP_COEFFICIENTS || length <= COEFFICIENTS_PER_BAND {
        return check_band_length(name, length);
    }
    let message = format!("{name} has {length} coefficients; a band has {COEFFICIENTS_PER_BAND}");
    Err(Error::new(ErrorKind::Plan, message)
        .hint(format!("give one band's coefficients to each argument: {}", function.syntax())))
}

fn check_correlations(_: &Usage, argument: &Argument, length: usize) -> Result<(), Error> {
    if is_triangle(length) {
        return Ok(());
    }
    let name = argument.name;
    let message = format!("{name} has {length} elements; n coefficients have n (n - 1) / 2 correlations");
    Err(Error::new(ErrorKind::Plan, message).hint("the archive gives 1485 for 55 coefficients"))
}

pub(super) const BP: Argument = Argument::list(
    "bp_coefficients",
    Some(&COEFFICIENTS),
    "List of up to 55 BP coefficients as the Gaia archive gives them, or NULL.",
);
pub(super) const RP: Argument =
    Argument::list("rp_coefficients", Some(&COEFFICIENTS), "List of up to 55 RP coefficients, or NULL.");
pub(super) const BP_ERRORS: Argument =
    Argument::list("bp_coefficient_errors", Some(&COEFFICIENTS), "1-sigma errors of the BP coefficients, or NULL.");
pub(super) const RP_ERRORS: Argument =
    Argument::list("rp_coefficient_errors", Some(&COEFFICIENTS), "1-sigma errors of the RP coefficients, or NULL.");
pub(super) const BP_CORRELATIONS: Argument = Argument::list(
    "bp_coefficient_correlations",
    Some(&CORRELATIONS),
    "The n (n - 1) / 2 correlations of n BP coefficients, in the archive's order.",
);
pub(super) const RP_CORRELATIONS: Argument =
    Argument::list("rp_coefficient_correlations", Some(&CORRELATIONS), "The correlations of the RP coefficients.");
pub(super) const BP_RELEVANT: Argument =
    Argument::number("bp_n_relevant_bases", "How many BP coefficients are significant; NULL, 0 or left out: all.")
        .optional();
pub(super) const RP_RELEVANT: Argument =
    Argument::number("rp_n_relevant_bases", "How many RP coefficients are significant; NULL, 0 or left out: all.")
        .optional();
