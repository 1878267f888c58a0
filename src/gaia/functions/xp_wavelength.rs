//! `xp_wavelength`: the sample wavelengths of calibrated spectra.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec, fixed_lists};

use super::{XP, xp_sampling::calibrated_field};
use crate::xp::{CALIBRATED_SAMPLES, wavelengths_nm};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp_wavelength",
    section: &XP,
    description: "The 343 wavelengths of xp_calibrate in nm: 336 to 1020 in steps of 2. FixedSizeList of 343 Float64.",
    example: "SELECT unnest(xp_wavelength()) AS nm, unnest(xp_calibrate(bp_coefficients, rp_coefficients)) AS flux \
              FROM stars",
    arguments: &[],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(calibrated_field("nm", "em.wl", "Wavelengths of a calibrated BP/RP spectrum")),
        evaluate: |arguments| {
            fixed_lists(arguments.rows, CALIBRATED_SAMPLES, |_, out| {
                out.copy_from_slice(wavelengths_nm());
                Some(())
            })
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn wavelengths_are_two_nanometres_apart() {
        let wavelength = Tester::new(&SPEC);
        let nm = wavelength.list(values![]);
        assert_eq!((nm.len(), nm[0], nm[1], nm[342]), (343, Some(336.0), Some(338.0), Some(1020.0)));
        assert_eq!(
            wavelength.error(values![1i64]),
            "xp_wavelength takes no arguments, not 1\nhint: write xp_wavelength()"
        );
    }
}
