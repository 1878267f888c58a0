//! `xp_synth_flux`: synthetic fluxes.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, described};

use super::{
    XP,
    xp_photometry::{FROM_COEFFICIENTS, from_coefficients, passband_of_value},
};
use crate::xp::synthetic_flux;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_synth_flux",
    section: &XP,
    description: "Synthetic mean flux of a source in a passband: in W m-2 nm-1 in Vega systems, in W m-2 Hz-1 in AB \
                  systems (the result's unit metadata says which); the result of GaiaXPy's generate, standardised as \
                  xp_synth_mag. It may be negative. NULL where either band is missing or has a NaN or NULL among the \
                  coefficients used, and in JkcStd_U and SdssStd_u where a flux is not positive. Float64.",
    example: "SELECT source_id, xp_synth_flux(bp_coefficients, rp_coefficients, 'SdssStd_g') AS flux_g FROM stars",
    arguments: &FROM_COEFFICIENTS,
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            let unit = passband_of_value(&call.literals)?.unit;
            Ok(described(DataType::Float64, unit, "phot.flux.density", "Synthetic mean flux"))
        },
        evaluate: |arguments| from_coefficients(arguments, synthetic_flux),
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, list, values};

    use super::*;
    use crate::xp::passband;

    #[test]
    fn a_flux_is_that_of_the_coefficients_used() {
        let flux = Tester::new(&SPEC).may_be_null([3, 4]);
        let (bp, rp) = ([1e4, 20.0], [9e3, 7.0]);
        let g = passband("G").unwrap();
        flux.gives(values![list(&bp), list(&rp), "G"], synthetic_flux(&bp, &rp, g));
        flux.gives(values![list(&bp), list(&rp), "G", 1i64, 1i64], synthetic_flux(&bp[..1], &rp[..1], g));
        flux.is_null(values![list(&[f64::NAN, 1.0]), list(&rp), "G"]);
        flux.is_null(values![list(&[]), list(&rp), "G"]);
    }

    #[test]
    fn a_passband_is_one_of_those_known() {
        let error = Tester::new(&SPEC).error(values![list(&[1.0]), list(&[1.0]), "JkStd_V"]);
        assert!(error.starts_with("unknown passband 'JkStd_V'\nhint: did you mean 'JkcStd_V'?"), "{error}");
    }
}
