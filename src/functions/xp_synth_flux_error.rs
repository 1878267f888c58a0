//! `xp_synth_flux_error`: errors of synthetic fluxes.

use super::{
    xp_synth::{ERROR_PARAMETERS, ERROR_REQUIRED, flux_field, from_covariances, named_passband},
    xp_udf::XpSpec,
};
use crate::xp::synthetic_flux_error;

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_synth_flux_error",
    syntax: "xp_synth_flux_error(bp_coefficients, bp_coefficient_errors, bp_coefficient_correlations, \
             rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, passband \
             [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "1-sigma error of xp_synth_flux through the full correlations of the coefficients; the result of \
                  GaiaXPy's generate without its error correction. NULL where a list is missing or has a NaN or NULL \
                  among the elements used, where a band's coefficients and errors differ in number, and where the \
                  number of correlations is not n (n - 1) / 2. For independent coefficients give \
                  array_repeat(0.0, 1485). Float64.",
    example: "SELECT source_id, xp_synth_flux_error(bp_coefficients, bp_coefficient_errors, \
              bp_coefficient_correlations, rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, \
              'JkcStd_V') AS flux_v_error FROM stars",
    parameters: ERROR_PARAMETERS,
    required: ERROR_REQUIRED,
    field: |literals| {
        let description = "1-sigma error of the synthetic mean flux";
        Ok(flux_field(named_passband(literals, 6)?, "stat.error;phot.flux.density", description))
    },
    evaluate: |args| from_covariances(args, synthetic_flux_error),
};
