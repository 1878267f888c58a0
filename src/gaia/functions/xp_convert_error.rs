//! `xp_convert_error`: errors of the flux as a function of pseudo-wavelength.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Argument, Body, FunctionSpec, lists};

use super::{
    XP,
    xp_arguments::CORRELATIONS,
    xp_sampling::{PHOTOMETER, RELEVANT, SAMPLING, Sampled, coefficients, photometer, sampled_field},
};
use crate::xp::Covariance;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_convert_error",
    section: &XP,
    description: "1-sigma errors of the fluxes of xp_convert in e-/s, through the full correlations of the \
                  coefficients; the result of GaiaXPy's convert, in which the standard deviation of the fit cancels. \
                  NULL where a list is NULL or the number of correlations is not n (n - 1) / 2 for n errors, and \
                  where one that is used is NaN or NULL. List of Float64.",
    example: "SELECT source_id, xp_convert_error(bp_coefficient_errors, bp_coefficient_correlations, 'bp', range(0, \
              61)) AS flux_error FROM stars",
    arguments: &[
        coefficients("coefficient_errors", "1-sigma errors of up to 55 coefficients of one band."),
        Argument::list(
            "coefficient_correlations",
            Some(&CORRELATIONS),
            "The n (n - 1) / 2 correlations of n coefficients, in the archive's order.",
        ),
        PHOTOMETER,
        SAMPLING,
        RELEVANT,
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            let ucds = ["stat.error;phot.flux;em.opt.B", "stat.error;phot.flux;em.opt.R"];
            let description = "1-sigma error of the internally calibrated spectrum";
            Ok(sampled_field(photometer(&call.literals, 2)?, ucds, description))
        },
        evaluate: |arguments| {
            let ([errors, correlations, sampling], [relevant]) = (arguments.lists([0, 1, 3])?, arguments.counts([4])?);
            let mut sampled = Sampled::new(photometer(&arguments.literals(), 2)?);
            Ok(lists(arguments.rows, |row, out| {
                let covariance = Covariance::new(errors.at(row), correlations.at(row), relevant.at(row)).ok()??;
                out.extend(sampled.at(sampling.at(row)?).error(covariance));
                Some(())
            }))
        },
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, list, values};

    use super::*;
    use crate::xp::{Photometer, Sampling};

    #[test]
    fn an_error_is_that_of_the_covariance() {
        let error = Tester::new(&SPEC).may_be_null([4]);
        let (errors, correlations) = ([30.0, 2.0], [0.5]);
        let covariance = Covariance::new(Some(&errors), Some(&correlations), None).unwrap().unwrap();
        let expected: Vec<f64> = Sampling::new(Photometer::Rp, &[10.0]).error(covariance).collect();
        let given = values![list(&errors), list(&correlations), "rp", list(&[10.0])];
        assert_eq!(error.list(given), [Some(expected[0])]);
        error.is_null(values![list(&errors), list(&[]), "rp", list(&[10.0])]);
    }
}
