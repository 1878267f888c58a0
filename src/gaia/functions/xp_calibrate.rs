//! `xp_calibrate`: flux as a function of wavelength.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, fixed_lists};

use super::{
    XP,
    xp_arguments::{BP, BP_RELEVANT, RP, RP_RELEVANT},
    xp_sampling::calibrated_field,
};
use crate::xp::{CALIBRATED_SAMPLES, band, calibrate};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_calibrate",
    section: &XP,
    description: "The externally calibrated spectrum, flux in W m-2 nm-1 at the 343 wavelengths of xp_wavelength(), \
                  336 to 1020 nm; the result of GaiaXPy's calibrate. Lists of fewer than 55 coefficients count as \
                  followed by zeros. With one band missing (NULL, empty or all NaN) the spectrum is that of the \
                  other: elements up to 635 nm are NULL without BP, from 643 nm on without RP. The result is NULL \
                  where both are missing, and where a list has more than 55 elements or a NaN or NULL among those \
                  used. FixedSizeList of 343 Float64.",
    example: "SELECT source_id, xp_calibrate(bp_coefficients, rp_coefficients) AS flux FROM stars",
    arguments: &[BP, RP, BP_RELEVANT, RP_RELEVANT],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let ucd = "phot.flux.density;em.wl";
            Ok(calibrated_field("W.m**-2.nm**-1", ucd, "Calibrated BP/RP spectrum, 336 to 1020 nm"))
        },
        evaluate: |arguments| {
            let ([bp, rp], [bp_relevant, rp_relevant]) = (arguments.lists([0, 1])?, arguments.counts([2, 3])?);
            fixed_lists(arguments.rows, CALIBRATED_SAMPLES, |row, out| {
                let bp = band(bp.at(row), bp_relevant.at(row)).ok()?;
                let rp = band(rp.at(row), rp_relevant.at(row)).ok()?;
                bp.or(rp)?;
                calibrate(bp, rp, out);
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
    fn a_spectrum_is_that_of_the_bands_that_are_there() {
        let calibrated = Tester::new(&SPEC).may_be_null([0, 1, 2, 3]);
        let (bp, rp) = ([1000.0, 20.0], [900.0, 7.0]);
        let mut expected = [0.0; CALIBRATED_SAMPLES];
        calibrate(Some(&bp), Some(&rp), &mut expected);
        assert_eq!(calibrated.list(values![list(&bp), list(&rp)]), expected.map(Some));
        calibrate(Some(&bp[..1]), None, &mut expected);
        let of_bp = expected.map(|flux| Some(flux).filter(|flux| flux.is_finite()));
        assert_eq!(calibrated.list(values![list(&bp), missing(), 1i64]), of_bp);
        calibrated.is_null(values![missing(), missing()]);
        calibrated.is_null(values![list(&[1.0, f64::NAN]), list(&rp)]);
    }
}
