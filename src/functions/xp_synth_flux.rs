//! `xp_synth_flux`: synthetic fluxes.

use super::{
    xp_synth::{FLUX_PARAMETERS, FLUX_REQUIRED, flux_field, from_coefficients, named_passband},
    xp_udf::XpSpec,
};
use crate::xp::synthetic_flux;

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_synth_flux",
    syntax: "xp_synth_flux(bp_coefficients, rp_coefficients, passband [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "Synthetic mean flux of a source in a passband: in W m-2 nm-1 in Vega systems, in W m-2 Hz-1 in AB \
                  systems (the result's unit metadata says which); the result of GaiaXPy's generate, standardised as \
                  xp_synth_mag. It may be negative. NULL where either band is missing or has a NaN or NULL among the \
                  coefficients used, and in JkcStd_U and SdssStd_u where a flux is not positive. Float64.",
    example: "SELECT source_id, xp_synth_flux(bp_coefficients, rp_coefficients, 'SdssStd_g') AS flux_g FROM stars",
    parameters: FLUX_PARAMETERS,
    required: FLUX_REQUIRED,
    field: |literals| Ok(flux_field(named_passband(literals, 2)?, "phot.flux.density", "Synthetic mean flux")),
    evaluate: |args| from_coefficients(args, synthetic_flux),
};
