//! `cone`: whether a position is near another.

use super::{
    numeric::{Kernel, Row, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{ColumnMeta, healpix::in_cone};

pub(super) static SPEC: Spec = Spec {
    name: "cone",
    arguments: &[
        number("ra", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec", "Declination (ICRS) in degrees, -90 to 90."),
        number("ra0", "Right ascension of the centre in degrees."),
        number("dec0", "Declination of the centre in degrees."),
        number("radius_deg", "Radius in degrees, not negative."),
    ],
    required: 5,
    kernel: Kernel::Boolean(inside),
    meta: ColumnMeta { unit: "", ucd: "meta.code", description: "Whether the position lies within the cone" },
    section: SECTION_SKY,
    description: "Whether a position is at most radius_deg from the centre: sky_distance(ra, dec, ra0, dec0) <= \
        radius_deg. NULL where an argument is NULL or not finite, a declination is beyond a pole or the \
        radius is negative. Boolean.",
    example: "SELECT source_id FROM stars WHERE cone(ra, dec, 56.75, 24.12, 1.0)",
};

fn inside(row: &Row) -> Option<bool> {
    let [ra, dec, ra0, dec0, radius] = row.floats(0)?;
    in_cone(ra, dec, ra0, dec0, radius)
}
