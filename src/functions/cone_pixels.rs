//! `cone_pixels`: the pixels a cone touches, and how to crossmatch with them.

use super::{
    numeric::{Kernel, Row, Spec, integer, number},
    reference::SECTION_SKY,
};
use crate::{
    error::{Error, ErrorKind},
    schema::{ColumnMeta, healpix},
};

pub(super) static SPEC: Spec = Spec {
    name: "cone_pixels",
    arguments: &[
        number("ra", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec", "Declination (ICRS) in degrees, -90 to 90."),
        number("radius_deg", "Radius in degrees, not negative."),
        integer("level", 0..=29, "HEALPix level, 0 to 29; pixels about as wide as the radius are a good choice."),
    ],
    required: 4,
    kernel: Kernel::Integers(pixels),
    meta: ColumnMeta { unit: "", ucd: "pos.healpix", description: "HEALPix pixels (NESTED) that overlap the cone" },
    section: SECTION_SKY,
    description: "Every HEALPix pixel (NESTED) at a level that overlaps the cone round a position, ascending; at the \
        rim a few may be included that only come near. It turns a crossmatch on the sky, which as a join on \
        a distance would compare every pair of rows, into a hash join on equal pixels: unnest the smaller \
        catalogue's cone_pixels, join them to healpix(ra, dec, level) of the larger one, and keep the pairs \
        with sky_distance <= radius. As a position lies in one pixel, no pair is found twice, and as every \
        overlapping pixel is listed, none is missed, at the poles and at ra = 0 as anywhere. NULL where an \
        argument is NULL or not finite, dec is beyond a pole or the radius is negative; an error where a \
        cone has more than about a million pixels. List of Int64.",
    example: "SELECT t.id, s.source_id FROM (SELECT *, unnest(cone_pixels(ra, dec, 0.001, 12)) AS pixel FROM targets) t JOIN stars s ON t.pixel = healpix(s.ra, s.dec, 12) WHERE sky_distance(t.ra, t.dec, s.ra, s.dec) <= 0.001",
};

fn pixels(row: &Row) -> Result<Option<Vec<i64>>, Error> {
    let (Some([ra, dec, radius]), Some(level)) = (row.floats(0), row.level(3)) else { return Ok(None) };
    healpix::cone_pixels(ra, dec, radius, level).map_err(|expected| {
        let message = format!("a cone of {radius} degrees has about {expected:.0} pixels at level {level}");
        let limit = healpix::MAX_CONE_PIXELS;
        Error::new(ErrorKind::Input, message).hint(format!("at most {limit} are listed; choose a lower level"))
    })
}
