//! `healpix`: the pixel of a position.

use super::{
    numeric::{Kernel, Spec, integer, number},
    reference::SECTION_SKY,
};
use crate::schema::{ColumnMeta, healpix};

pub(super) static SPEC: Spec = Spec {
    name: "healpix",
    arguments: &[
        number("ra", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec", "Declination (ICRS) in degrees, -90 to 90."),
        integer("level", 0..=29, "HEALPix level, 0 to 29."),
    ],
    required: 3,
    kernel: Kernel::Integer(|r| healpix::pixel(r.float(0)?, r.float(1)?, r.level(2)?)),
    meta: ColumnMeta { unit: "", ucd: "pos.healpix", description: "HEALPix pixel (NESTED) of the position" },
    section: SECTION_SKY,
    description: "The HEALPix pixel (NESTED, ICRS) that holds a position, 0 to 12 * 4^level - 1. NULL where a \
        coordinate is NULL or not finite, or dec is beyond a pole. Int64.",
    example: "SELECT healpix(ra, dec, 8) AS pixel, count(*) FROM stars GROUP BY 1",
};
