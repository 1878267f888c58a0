//! `xp_synth_mag`: synthetic magnitudes.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, described};

use super::{
    XP,
    xp_photometry::{FROM_COEFFICIENTS, from_coefficients, passband_of_value},
};
use crate::xp::synthetic_mag;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_synth_mag",
    section: &XP,
    description: "Synthetic magnitude of a source in a passband, of the passband's system (Vega or AB); the result of \
                  GaiaXPy's generate. Standardised systems (their names end with Std) have their offsets and their \
                  corrections of JkcStd_U and SdssStd_u by colour. NULL where the flux is not positive, and where \
                  either band is missing or has a NaN or NULL among the coefficients used. Float64.",
    example: "SELECT source_id, xp_synth_mag(bp_coefficients, rp_coefficients, 'JkcStd_V') AS v FROM stars",
    arguments: &FROM_COEFFICIENTS,
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            passband_of_value(&call.literals)?;
            Ok(described(DataType::Float64, "mag", "phot.mag", "Synthetic magnitude"))
        },
        evaluate: |arguments| from_coefficients(arguments, synthetic_mag),
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, fixed_list, list, values};

    use super::*;
    use crate::xp::passband;

    #[test]
    fn a_magnitude_is_that_of_the_coefficients_used() {
        let mag = Tester::new(&SPEC).may_be_null([3, 4]);
        let (bp, rp) = ([1e5, 20.0], [1e5, 7.0]);
        let v = passband("JkcStd_V").unwrap();
        mag.gives(values![list(&bp), list(&rp), "JkcStd_V"], synthetic_mag(&bp, &rp, v));
        mag.gives(values![list(&bp), list(&rp), "jkcstd_v", 1i64, 1i64], synthetic_mag(&bp[..1], &rp[..1], v));
        mag.is_null(values![list(&[-1e5]), list(&[-1e5]), "G"]);
    }

    #[test]
    fn wrong_coefficients_are_refused() {
        let mag = Tester::new(&SPEC);
        let error = |bp: &[f64]| mag.error(values![fixed_list(bp), list(&[1.0]), "G"]);
        assert!(error(&[0.0; 110]).starts_with("bp_coefficients has 110 coefficients; a band has 55\nhint: give one"));
        assert!(error(&[0.0; 51]).starts_with("bp_coefficients has 51 coefficients, as spectra of Gaia DR4 have\n"));
    }
}
