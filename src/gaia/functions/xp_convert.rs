//! `xp_convert`: flux as a function of pseudo-wavelength.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, lists};

use super::{
    XP,
    xp_sampling::{PHOTOMETER, RELEVANT, SAMPLING, Sampled, coefficients, photometer, sampled_field},
};
use crate::xp::band;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_convert",
    section: &XP,
    description: "The internally calibrated spectrum of one band, flux in e-/s at the pseudo-wavelengths of sampling; \
                  the result of GaiaXPy's convert. Elements of sampling outside -10 to 70 or NULL give NULL elements. \
                  The result is NULL where a list is NULL, and where the coefficients are empty, more than 55 or have \
                  a NaN or NULL among those used. List of Float64.",
    example: "SELECT source_id, xp_convert(bp_coefficients, 'bp', range(0, 61)) AS flux FROM stars",
    arguments: &[
        coefficients("coefficients", "List of up to 55 coefficients of one band as the Gaia archive gives them."),
        PHOTOMETER,
        SAMPLING,
        RELEVANT,
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |call| {
            let ucds = ["phot.flux;em.opt.B", "phot.flux;em.opt.R"];
            Ok(sampled_field(photometer(&call.literals, 1)?, ucds, "Internally calibrated spectrum"))
        },
        evaluate: |arguments| {
            let ([coefficients, sampling], [relevant]) = (arguments.lists([0, 2])?, arguments.counts([3])?);
            let mut sampled = Sampled::new(photometer(&arguments.literals(), 1)?);
            Ok(lists(arguments.rows, |row, out| {
                let coefficients = band(coefficients.at(row), relevant.at(row)).ok()??;
                out.extend(sampled.at(sampling.at(row)?).flux(coefficients));
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
    fn a_flux_is_that_of_the_photometers_bases() {
        let convert = Tester::new(&SPEC).may_be_null([3]);
        let (coefficients, positions) = ([1000.0, 20.0], [10.0, 30.0, 80.0]);
        for (name, photometer) in [("bp", Photometer::Bp), ("RP", Photometer::Rp)] {
            let expected: Vec<f64> = Sampling::new(photometer, &positions).flux(&coefficients).collect();
            let flux = convert.list(values![list(&coefficients), name, list(&positions)]);
            assert_eq!(flux, [Some(expected[0]), Some(expected[1]), None]);
        }
        convert.is_null(values![list(&[]), "bp", list(&positions)]);
    }

    #[test]
    fn a_photometer_is_one_of_two() {
        let error = Tester::new(&SPEC).error(values![list(&[1.0]), "g", list(&[1.0])]);
        assert_eq!(error, "unknown photometer 'g' in xp_convert\nhint: known: bp, rp");
    }
}
