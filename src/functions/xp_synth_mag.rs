//! `xp_synth_mag`: synthetic magnitudes.

use super::{
    xp_synth::{FLUX_PARAMETERS, FLUX_REQUIRED, from_coefficients, mag_field, named_passband},
    xp_udf::XpSpec,
};
use crate::xp::synthetic_mag;

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_synth_mag",
    syntax: "xp_synth_mag(bp_coefficients, rp_coefficients, passband [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "Synthetic magnitude of a source in a passband, of the passband's system (Vega or AB); the result of \
                  GaiaXPy's generate. Standardised systems (their names end with Std) have their offsets and their \
                  corrections of JkcStd_U and SdssStd_u by colour. NULL where the flux is not positive, and where \
                  either band is missing or has a NaN or NULL among the coefficients used. Float64.",
    example: "SELECT source_id, xp_synth_mag(bp_coefficients, rp_coefficients, 'JkcStd_V') AS v FROM stars",
    parameters: FLUX_PARAMETERS,
    required: FLUX_REQUIRED,
    field: |literals| named_passband(literals, 2).map(|_| mag_field("phot.mag", "Synthetic magnitude")),
    evaluate: |args| from_coefficients(args, synthetic_mag),
};
