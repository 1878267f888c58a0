//! `healpix`: the pixel of a position.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::healpix::pixel,
    udf::{Argument, Body, FunctionSpec, described, integers},
};

use super::{DEC, RA, SECTION};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "healpix",
    section: &SECTION,
    description: "The HEALPix pixel (NESTED, ICRS) that holds a position, 0 to 12 * 4^level - 1. NULL where a \
                  coordinate is NULL or not finite, or dec is beyond a pole. Int64.",
    example: "SELECT healpix(ra, dec, 8) AS pixel, count(*) FROM stars GROUP BY 1",
    arguments: &[RA, DEC, Argument::integer("level", 0..=29, "HEALPix level, 0 to 29.")],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Int64, "", "pos.healpix", "HEALPix pixel (NESTED) of the position")),
        evaluate: |arguments| {
            let ([ra, dec], [level]) = (arguments.numbers([0, 1])?, arguments.integers([2])?);
            Ok(integers(arguments.rows, |row| pixel(ra.at(row)?, dec.at(row)?, u8::try_from(level.at(row)?).ok()?)))
        },
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn a_position_has_a_pixel_at_every_level() {
        let healpix = Tester::new(&SPEC);
        healpix.gives(values![45.0, 2.0, 0i64], 0i64);
        healpix.gives(values![45.0, 2.0, 29i64], pixel(45.0, 2.0, 29));
        healpix.is_null(values![45.0, 91.0, 8i64]);
    }

    #[test]
    fn a_level_is_one_of_healpix() {
        let healpix = Tester::new(&SPEC);
        assert_eq!(healpix.error(values![45.0, 2.0, 30i64]), "level of healpix must be 0 to 29, not 30");
    }
}
