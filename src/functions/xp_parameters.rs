//! The parameters that XP functions have in common.

use super::xp_udf::{Kind, Parameter};

const fn parameter(name: &'static str, kind: Kind, meaning: &'static str) -> Parameter {
    Parameter { name, kind, meaning }
}

pub(super) const BP: Parameter = parameter(
    "bp_coefficients",
    Kind::Coefficients,
    "List of up to 55 BP coefficients as the Gaia archive gives them, or NULL.",
);
pub(super) const RP: Parameter =
    parameter("rp_coefficients", Kind::Coefficients, "List of up to 55 RP coefficients, or NULL.");
pub(super) const BP_ERRORS: Parameter =
    parameter("bp_coefficient_errors", Kind::Coefficients, "1-sigma errors of the BP coefficients, or NULL.");
pub(super) const RP_ERRORS: Parameter =
    parameter("rp_coefficient_errors", Kind::Coefficients, "1-sigma errors of the RP coefficients, or NULL.");
pub(super) const BP_CORRELATIONS: Parameter = parameter(
    "bp_coefficient_correlations",
    Kind::Correlations,
    "The n (n - 1) / 2 correlations of n BP coefficients, in the archive's order.",
);
pub(super) const RP_CORRELATIONS: Parameter =
    parameter("rp_coefficient_correlations", Kind::Correlations, "The correlations of the RP coefficients.");
pub(super) const BP_RELEVANT: Parameter = parameter(
    "bp_n_relevant_bases",
    Kind::Number,
    "How many BP coefficients are significant; NULL, 0 or left out: all.",
);
pub(super) const RP_RELEVANT: Parameter = parameter(
    "rp_n_relevant_bases",
    Kind::Number,
    "How many RP coefficients are significant; NULL, 0 or left out: all.",
);
pub(super) const PHOTOMETER: Parameter =
    parameter("photometer", Kind::Name, "'bp' or 'rp': whose coefficients these are.");
pub(super) const SAMPLING: Parameter = parameter(
    "sampling",
    Kind::List,
    "List of pseudo-wavelengths in pixels, from -10 to 70; fastest when it is the same for all rows.",
);
pub(super) const RELEVANT: Parameter =
    parameter("n_relevant_bases", Kind::Number, "How many coefficients are significant; NULL, 0 or left out: all.");
pub(super) const PASSBAND: Parameter = parameter(
    "passband",
    Kind::Name,
    "Literal name: 'G', 'BP', 'RP', or system and band as GaiaXPy names them, e.g. 'JkcStd_V', 'SdssStd_g', \
     'Panstarrs1Std_ip'. An unknown one makes an error that lists the systems.",
);
