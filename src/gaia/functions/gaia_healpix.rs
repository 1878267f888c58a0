//! `gaia_healpix`: the pixel in a source_id.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Argument, Body, FunctionSpec, described, integers};

use super::SECTION;
use crate::source_id_pixel;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "gaia_healpix",
    section: &SECTION,
    description: "The HEALPix pixel (NESTED) that a Gaia source_id encodes: source_id / 2^(35 + 2 (12 - level)). It \
                  is that of the position at which the source was first catalogued, so close to the border of a pixel \
                  it may differ from healpix(ra, dec, level). NULL for a negative number and for 12 * 2^59 or more, \
                  which are no ids. Int64.",
    example: "SELECT gaia_healpix(source_id, 5) AS pixel, count(*) FROM stars GROUP BY 1",
    arguments: &[
        Argument::integer("source_id", i64::MIN..=i64::MAX, "Gaia source_id."),
        Argument::integer("level", 0..=12, "HEALPix level, 0 to 12."),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            Ok(described(DataType::Int64, "", "pos.healpix", "HEALPix pixel (NESTED) encoded in the source_id"))
        },
        evaluate: |arguments| {
            let [id, level] = arguments.integers([0, 1])?;
            Ok(integers(arguments.rows, |row| source_id_pixel(id.at(row)?, u8::try_from(level.at(row)?).ok()?)))
        },
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn a_source_id_has_its_pixel_in_its_upper_bits() {
        let pixel = Tester::new(&SPEC);
        pixel.gives(values![(5i64 << 59) + 1, 0i64], 5i64);
        pixel.gives(values![7i64 << 35, 12i64], 7i64);
        pixel.is_null(values![-1i64, 12i64]);
        pixel.is_null(values![12i64 << 59, 0i64]);
        assert_eq!(pixel.error(values![1i64, 13i64]), "level of gaia_healpix must be 0 to 12, not 13");
    }
}
