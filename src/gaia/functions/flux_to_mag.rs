//! `flux_to_mag`: the Gaia magnitude of a flux.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Argument, Body, FunctionSpec, described, floats};

use super::{BAND, SECTION, ZERO_POINTS};
use crate::photometry::mag_from_flux;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "flux_to_mag",
    section: &SECTION,
    description: "The Gaia (E)DR3 magnitude of a flux in e-/s: the inverse of mag_to_flux. NULL where the flux is not \
                  positive. Float64.",
    example: "SELECT flux_to_mag(phot_bp_mean_flux, 'bp') FROM stars",
    arguments: &[Argument::number("flux", "Flux in e-/s."), BAND],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Float64, "mag", "phot.mag;em.opt", "Vega magnitude in a Gaia band")),
        evaluate: |arguments| {
            let ([flux], zero_point) = (arguments.numbers([0])?, ZERO_POINTS[arguments.literals().choice(1)?]);
            Ok(floats(arguments.rows, |row| Some(mag_from_flux(flux.at(row)?, zero_point))))
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
    fn one_electron_a_second_has_the_zero_point_as_its_magnitude() {
        let mag = Tester::new(&SPEC);
        for (band, zero_point) in [("g", G_ZERO_POINT), ("bp", BP_ZERO_POINT), ("rp", RP_ZERO_POINT)] {
            mag.gives(values![1.0, band], zero_point);
            mag.gives(values![100.0, band], zero_point - 5.0);
        }
        mag.is_null(values![0.0, "g"]);
        mag.is_null(values![-1.0, "g"]);
    }
}
