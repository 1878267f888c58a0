//! `cone_pixels`: the pixels that a cone touches, and how to crossmatch with them.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    error::{Error, ErrorKind},
    schema::healpix,
    udf::{Argument, Body, FunctionSpec, described, integer_lists},
};

use super::{DEC, RA, SECTION};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "cone_pixels",
    section: &SECTION,
    description: "Every HEALPix pixel (NESTED) at a level that overlaps the cone round a position, ascending; at the \
                  rim a few may be included that only come near. It turns a crossmatch on the sky, which as a join on \
                  a distance would compare every pair of rows, into a hash join on equal pixels: unnest the smaller \
                  catalogue's cone_pixels, join them to healpix(ra, dec, level) of the larger one, and keep the pairs \
                  with sky_distance <= radius. As a position lies in one pixel, no pair is found twice, and as every \
                  overlapping pixel is listed, none is missed, at the poles and at ra = 0 as anywhere. NULL where an \
                  argument is NULL or not finite, dec is beyond a pole or the radius is negative; an error where a \
                  cone has more than about a million pixels. List of Int64.",
    example: "SELECT t.id, s.source_id FROM (SELECT *, unnest(cone_pixels(ra, dec, 0.001, 12)) AS pixel FROM targets) \
              t JOIN stars s ON t.pixel = healpix(s.ra, s.dec, 12) WHERE sky_distance(t.ra, t.dec, s.ra, s.dec) <= \
              0.001",
    arguments: &[
        RA,
        DEC,
        Argument::number("radius_deg", "Radius in degrees, not negative."),
        Argument::integer(
            "level",
            0..=29,
            "HEALPix level, 0 to 29; pixels about as wide as the radius are a good choice.",
        ),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let list = DataType::new_list(DataType::Int64, true);
            Ok(described(list, "", "pos.healpix", "HEALPix pixels (NESTED) that overlap the cone"))
        },
        evaluate: |arguments| {
            let ([ra, dec, radius], [level]) = (arguments.numbers([0, 1, 2])?, arguments.integers([3])?);
            integer_lists(arguments.rows, |row| pixels(ra.at(row), dec.at(row), radius.at(row), level.at(row)))
        },
        can_fail: true,
    },
};

fn pixels(
    ra: Option<f64>,
    dec: Option<f64>,
    radius: Option<f64>,
    level: Option<i64>,
) -> Result<Option<Vec<i64>>, Error> {
    let level = level.and_then(|level| u8::try_from(level).ok());
    let (Some(ra), Some(dec), Some(radius), Some(level)) = (ra, dec, radius, level) else { return Ok(None) };
    healpix::cone_pixels(ra, dec, radius, level).map_err(|expected| {
        let message = format!("a cone of {radius} degrees has about {expected:.0} pixels at level {level}");
        let limit = healpix::MAX_CONE_PIXELS;
        Error::new(ErrorKind::Input, message).hint(format!("at most {limit} are listed; choose a lower level"))
    })
}

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn the_pixel_of_the_centre_is_among_those_of_a_cone() {
        let cone_pixels = Tester::new(&SPEC);
        let pixels = cone_pixels.list(values![45.0, 2.0, 1.0, 6i64]);
        let centre = healpix::pixel(45.0, 2.0, 6).map(|pixel| pixel as f64);
        assert!(pixels.contains(&centre) && pixels.is_sorted());
        cone_pixels.is_null(values![45.0, 2.0, -1.0, 6i64]);
    }

    #[test]
    fn a_cone_of_too_many_pixels_is_refused() {
        let error = pixels(Some(0.0), Some(0.0), Some(90.0), Some(20)).unwrap_err();
        assert!(error.to_string().contains("choose a lower level"), "{error}");
    }
}
