//! `sky_distance`: the angle between two positions.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::healpix::sky_distance,
    udf::{Argument, Body, FunctionSpec, described, floats},
};

use super::SECTION;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "sky_distance",
    section: &SECTION,
    description: "The angle between two positions in degrees, accurate from microarcseconds to antipodes (Vincenty's \
                  formula). NULL where a coordinate is NULL or not finite, or a declination is beyond a pole. \
                  Float64.",
    example: "SELECT source_id, 3600 * sky_distance(ra, dec, 83.6331, 22.0145) AS arcsec FROM stars",
    arguments: &[
        Argument::number("ra1", "Right ascension (ICRS) in degrees, any finite value."),
        Argument::number("dec1", "Declination (ICRS) in degrees, -90 to 90."),
        Argument::number("ra2", "Right ascension (ICRS) in degrees, any finite value."),
        Argument::number("dec2", "Declination (ICRS) in degrees, -90 to 90."),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Float64, "deg", "pos.angDistance", "Angle between two positions")),
        evaluate: |arguments| {
            let [ra1, dec1, ra2, dec2] = arguments.numbers([0, 1, 2, 3])?;
            Ok(floats(arguments.rows, |row| {
                Some(sky_distance(ra1.at(row)?, dec1.at(row)?, ra2.at(row)?, dec2.at(row)?))
            }))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn angles_are_in_degrees() {
        let distance = Tester::new(&SPEC);
        distance.gives(values![10.0, 0.0, 350.0, 0.0], 20.0);
        distance.gives(values![0.0, 90.0, 123.0, -90.0], 180.0);
        distance.is_null(values![0.0, 91.0, 0.0, 0.0]);
        distance.is_null(values![0.0, 0.0, f64::INFINITY, 0.0]);
    }
}
