//! `mag_to_flux`: the flux of a Gaia magnitude.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Argument, Body, FunctionSpec, described, floats};

use super::{BAND, SECTION, ZERO_POINTS};
use crate::photometry::flux_from_mag;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "mag_to_flux",
    section: &SECTION,
    description: "The flux in e-/s of a Gaia (E)DR3 magnitude, by the Vega zero points (Riello et al. 2021, A&A 649, \
                  A3: G 25.6873668671, BP 25.3385422158, RP 24.7478955012). Float64.",
    example: "SELECT mag_to_flux(phot_g_mean_mag, 'g') FROM stars",
    arguments: &[Argument::number("mag", "Gaia magnitude (Vega)."), BAND],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Float64, "electron.s**-1", "phot.flux;em.opt", "Flux in a Gaia band")),
        evaluate: |arguments| {
            let ([mag], zero_point) = (arguments.numbers([0])?, ZERO_POINTS[arguments.literals().choice(1)?]);
            Ok(floats(arguments.rows, |row| Some(flux_from_mag(mag.at(row)?, zero_point))))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;
    use crate::photometry::{BP_ZERO_POINT, G_ZERO_POINT, RP_ZERO_POINT};

    #[test]
    fn the_zero_point_is_the_magnitude_of_one_electron_a_second() {
        let flux = Tester::new(&SPEC);
        for (band, zero_point) in [("g", G_ZERO_POINT), ("bp", BP_ZERO_POINT), ("RP", RP_ZERO_POINT)] {
            flux.gives(values![zero_point, band], 1.0);
            flux.gives(values![zero_point - 5.0, band], 100.0);
        }
        flux.is_null(values![f64::NAN, "g"]);
        assert!(flux.error(values![15.0, "johnson"]).starts_with("unknown band 'johnson' in mag_to_flux\n"));
    }
}
