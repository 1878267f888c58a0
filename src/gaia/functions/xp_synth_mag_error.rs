//! `xp_synth_mag_error`: errors of synthetic magnitudes.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, described};

use super::{
    XP,
    xp_photometry::{FROM_COVARIANCES, from_covariances, passband_of_error},
};
use crate::xp::synthetic_mag_error;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_synth_mag_error",
    section: &XP,
    description: "1-sigma error of xp_synth_mag: 1.0857 times xp_synth_flux_error over xp_synth_flux. NULL where the \
                  flux is not positive, and where xp_synth_flux_error is NULL. Float64, mag.",
    example: "SELECT source_id, xp_synth_mag_error(bp_coefficients, bp_coefficient_errors, \
              bp_coefficient_correlations, rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, 'G') \
              AS g_error FROM stars",
    arguments: &FROM_COVARIANCES,
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            passband_of_error(&call.literals)?;
            let description = "1-sigma error of the synthetic magnitude";
            Ok(described(DataType::Float64, "mag", "stat.error;phot.mag", description))
        },
        evaluate: |arguments| from_covariances(arguments, synthetic_mag_error),
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, list, values};

    use super::*;
    use crate::xp::{Covariance, passband};

    #[test]
    fn an_error_is_that_of_the_covariances() {
        let error = Tester::new(&SPEC).may_be_null([7, 8]);
        let (coefficients, errors, correlations) = ([1e5, 20.0], [30.0, 2.0], [0.5]);
        let covariance = || Covariance::new(Some(&errors), Some(&correlations), None).unwrap().unwrap();
        let expected =
            synthetic_mag_error(&coefficients, &coefficients, [covariance(), covariance()], passband("G").unwrap());
        let given = || [list(&coefficients), list(&errors), list(&correlations)];
        let ([bp, bp_errors, bp_correlations], [rp, rp_errors, rp_correlations]) = (given(), given());
        let band = values![bp, bp_errors, bp_correlations];
        error.gives([&band[..], &values![rp, rp_errors, rp_correlations, "G"]].concat(), expected);
        error.is_null([&band[..], &values![list(&[1.0]), list(&errors), list(&correlations), "G"]].concat());
    }
}
