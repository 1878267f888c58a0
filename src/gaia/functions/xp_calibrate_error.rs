//! `xp_calibrate_error`: errors of the flux as a function of wavelength.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, fixed_lists};

use super::{
    XP,
    xp_arguments::{BP_CORRELATIONS, BP_ERRORS, BP_RELEVANT, RP_CORRELATIONS, RP_ERRORS, RP_RELEVANT},
    xp_sampling::calibrated_field,
};
use crate::xp::{CALIBRATED_SAMPLES, Covariance, calibrate_error};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_calibrate_error",
    section: &XP,
    description: "1-sigma errors of the fluxes of xp_calibrate in W m-2 nm-1, through the full correlations of the \
                  coefficients; the result of GaiaXPy's calibrate, in which the standard deviation of the fit \
                  cancels. A band is missing where its errors are, with the same effect as in xp_calibrate. NULL \
                  where the correlations of a band that is there are missing or of the wrong number, or one that is \
                  used is NaN or NULL. For independent coefficients give array_repeat(0.0, 1485). FixedSizeList of \
                  343 Float64.",
    example: "SELECT source_id, xp_calibrate_error(bp_coefficient_errors, bp_coefficient_correlations, \
              rp_coefficient_errors, rp_coefficient_correlations) AS flux_error FROM stars",
    arguments: &[BP_ERRORS, BP_CORRELATIONS, RP_ERRORS, RP_CORRELATIONS, BP_RELEVANT, RP_RELEVANT],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let ucd = "stat.error;phot.flux.density;em.wl";
            Ok(calibrated_field("W.m**-2.nm**-1", ucd, "1-sigma error of the calibrated BP/RP spectrum"))
        },
        evaluate: |arguments| {
            let [bp_errors, bp_correlations, rp_errors, rp_correlations] = arguments.lists([0, 1, 2, 3])?;
            let [bp_relevant, rp_relevant] = arguments.counts([4, 5])?;
            fixed_lists(arguments.rows, CALIBRATED_SAMPLES, |row, out| {
                let bp = Covariance::new(bp_errors.at(row), bp_correlations.at(row), bp_relevant.at(row)).ok()?;
                let rp = Covariance::new(rp_errors.at(row), rp_correlations.at(row), rp_relevant.at(row)).ok()?;
                bp.or(rp)?;
                calibrate_error(bp, rp, out);
                Some(())
            })
        },
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, list, missing, values};

    use super::*;

    #[test]
    fn errors_are_those_of_the_bands_that_are_there() {
        let error = Tester::new(&SPEC).may_be_null([0, 1, 2, 3, 4, 5]);
        let (errors, correlations) = ([30.0, 2.0], [0.5]);
        let covariance = Covariance::new(Some(&errors), Some(&correlations), None).unwrap();
        let mut expected = [f64::NAN; CALIBRATED_SAMPLES];
        calibrate_error(covariance, None, &mut expected);
        let of_bp = expected.map(|error| Some(error).filter(|error| error.is_finite()));
        assert_eq!(error.list(values![list(&errors), list(&correlations), missing(), missing()]), of_bp);
        error.is_null(values![list(&errors), list(&[]), missing(), missing()]);
        error.is_null(values![missing(), list(&correlations), missing(), missing()]);
    }
}
