//! `xp_synth_flux_error`: errors of synthetic fluxes.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, described};

use super::{
    XP,
    xp_photometry::{FROM_COVARIANCES, from_covariances, passband_of_error},
};
use crate::xp::synthetic_flux_error;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_synth_flux_error",
    section: &XP,
    description: "1-sigma error of xp_synth_flux through the full correlations of the coefficients; the result of \
                  GaiaXPy's generate without its error correction. NULL where a list is missing or has a NaN or NULL \
                  among the elements used, where a band's coefficients and errors differ in number, and where the \
                  number of correlations is not n (n - 1) / 2. For independent coefficients give array_repeat(0.0, \
                  1485). Float64.",
    example: "SELECT source_id, xp_synth_flux_error(bp_coefficients, bp_coefficient_errors, \
              bp_coefficient_correlations, rp_coefficients, rp_coefficient_errors, rp_coefficient_correlations, \
              'JkcStd_V') AS flux_v_error FROM stars",
    arguments: &FROM_COVARIANCES,
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            let (unit, ucd) = (passband_of_error(&call.literals)?.unit, "stat.error;phot.flux.density");
            Ok(described(DataType::Float64, unit, ucd, "1-sigma error of the synthetic mean flux"))
        },
        evaluate: |arguments| from_covariances(arguments, synthetic_flux_error),
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
            synthetic_flux_error(&coefficients, &coefficients, [covariance(), covariance()], passband("G").unwrap());
        let given = || [list(&coefficients), list(&errors), list(&correlations)];
        let ([bp, bp_errors, bp_correlations], [rp, rp_errors, rp_correlations]) = (given(), given());
        let band = values![bp, bp_errors, bp_correlations];
        error.gives([&band[..], &values![rp, rp_errors, rp_correlations, "G"]].concat(), expected);
        error.is_null([&band[..], &values![list(&[1.0]), list(&errors), list(&correlations), "G"]].concat());
    }
}
