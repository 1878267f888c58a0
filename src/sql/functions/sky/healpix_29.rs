//! `healpix_29`: the pixel of a position at the highest order.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::healpix::{MAX_LEVEL, pixel},
    udf::{Body, FunctionSpec, described, integers},
};

use super::{DEC, RA, SECTION};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "healpix_29",
    section: &SECTION,
    description: "healpix(ra, dec, 29): the spatial index of HATS catalogues. Rows sorted by it are sorted by every \
                  coarser level too: shifted right by 2 (29 - level) bits it is the pixel at that level. Int64.",
    example: "SELECT * FROM stars ORDER BY healpix_29(ra, dec)",
    arguments: &[RA, DEC],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let description = "HEALPix pixel (NESTED, level 29) of the position";
            Ok(described(DataType::Int64, "", "pos.healpix", description))
        },
        evaluate: |arguments| {
            let [ra, dec] = arguments.numbers([0, 1])?;
            Ok(integers(arguments.rows, |row| pixel(ra.at(row)?, dec.at(row)?, MAX_LEVEL)))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn the_deepest_pixel_lies_in_the_coarser_ones() {
        let healpix = Tester::new(&SPEC);
        let deepest = pixel(45.0, 2.0, 29);
        healpix.gives(values![45.0, 2.0], deepest);
        assert_eq!(deepest.map(|p| p >> (2 * (29 - 5))), pixel(45.0, 2.0, 5));
        healpix.is_null(values![f64::NAN, 2.0]);
        healpix.is_null(values![45.0, -90.5]);
    }
}
