//! `healpix_29`: the deepest pixel of a position.

use super::{
    numeric::{Kernel, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{ColumnMeta, healpix};

pub(super) static SPEC: Spec = Spec {
    name: "healpix_29",
    arguments: &[
        number("ra", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec", "Declination (ICRS) in degrees, -90 to 90."),
    ],
    required: 2,
    kernel: Kernel::Integer(|r| healpix::pixel(r.float(0)?, r.float(1)?, healpix::MAX_LEVEL)),
    meta: ColumnMeta { unit: "", ucd: "pos.healpix", description: "HEALPix pixel (NESTED, level 29) of the position" },
    section: SECTION_SKY,
    description: "healpix(ra, dec, 29): the spatial index of HATS catalogues. Rows sorted by it are sorted by every \
        coarser level too: shifted right by 2 (29 - level) bits it is the pixel at that level. Int64.",
    example: "SELECT * FROM stars ORDER BY healpix_29(ra, dec)",
};
