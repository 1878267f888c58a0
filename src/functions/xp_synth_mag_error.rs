//! `xp_synth_mag_error`: errors of synthetic magnitudes.

use super::{
    xp_synth::{ERROR_PARAMETERS, ERROR_REQUIRED, from_covariances, mag_field, named_passband},
    xp_udf::XpSpec,
};
use crate::xp::synthetic_mag_error;

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_synth_mag_error",
    syntax: "xp_synth_mag_error(bp_coefficients, bp_coefficient_errors, bp_coefficient_correlations, \
             rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, passband \
             [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "1-sigma error of xp_synth_mag: 1.0857 times xp_synth_flux_error over xp_synth_flux. NULL where the \
                  flux is not positive, and where xp_synth_flux_error is NULL. Float64, mag.",
    example: "SELECT source_id, xp_synth_mag_error(bp_coefficients, bp_coefficient_errors, \
              bp_coefficient_correlations, rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, 'G') \
              AS g_error FROM stars",
    parameters: ERROR_PARAMETERS,
    required: ERROR_REQUIRED,
    field: |literals| {
        let description = "1-sigma error of the synthetic magnitude";
        named_passband(literals, 6).map(|_| mag_field("stat.error;phot.mag", description))
    },
    evaluate: |args| from_covariances(args, synthetic_mag_error),
};
