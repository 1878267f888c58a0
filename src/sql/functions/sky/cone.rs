//! `cone`: whether a position is near another.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::healpix::in_cone,
    udf::{Argument, Body, FunctionSpec, booleans, described},
};

use super::{DEC, RA, SECTION};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "cone",
    section: &SECTION,
    description: "Whether a position is at most radius_deg from the centre: sky_distance(ra, dec, ra0, dec0) <= \
                  radius_deg. NULL where an argument is NULL or not finite, a declination is beyond a pole or the \
                  radius is negative. Boolean.",
    example: "SELECT source_id FROM stars WHERE cone(ra, dec, 56.75, 24.12, 1.0)",
    arguments: &[
        RA,
        DEC,
        Argument::number("ra0", "Right ascension of the centre in degrees."),
        Argument::number("dec0", "Declination of the centre in degrees."),
        Argument::number("radius_deg", "Radius in degrees, not negative."),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Boolean, "", "meta.code", "Whether the position lies within the cone")),
        evaluate: |arguments| {
            let [ra, dec, ra0, dec0, radius] = arguments.numbers([0, 1, 2, 3, 4])?;
            Ok(booleans(arguments.rows, |row| {
                in_cone(ra.at(row)?, dec.at(row)?, ra0.at(row)?, dec0.at(row)?, radius.at(row)?)
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
    fn a_position_is_in_a_cone_or_not() {
        let cone = Tester::new(&SPEC);
        cone.gives(values![359.5, 0.0, 0.5, 0.0, 1.1], true);
        cone.gives(values![10.0, 0.0, 0.0, 0.0, 9.0], false);
        cone.is_null(values![10.0, 0.0, 0.0, 0.0, -1.0]);
        cone.is_null(values![10.0, 0.0, 0.0, 95.0, 1.0]);
    }
}
