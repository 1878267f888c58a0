//! `gaia_healpix`: the pixel in a source_id.

use super::{
    numeric::{Kernel, Spec, integer},
    reference::SECTION_SKY,
};
use crate::schema::{ColumnMeta, healpix::gaia_pixel};

pub(super) static SPEC: Spec = Spec {
    name: "gaia_healpix",
    arguments: &[
        integer("source_id", i64::MIN..=i64::MAX, "Gaia source_id."),
        integer("level", 0..=12, "HEALPix level, 0 to 12."),
    ],
    required: 2,
    kernel: Kernel::Integer(|r| gaia_pixel(r.integer(0)?, r.level(1)?)),
    meta: ColumnMeta { unit: "", ucd: "pos.healpix", description: "HEALPix pixel (NESTED) encoded in the source_id" },
    section: SECTION_SKY,
    description: "The HEALPix pixel (NESTED) that a Gaia source_id encodes: source_id / 2^(35 + 2 (12 - level)). It is \
        that of the position at which the source was first catalogued, so close to the border of a pixel it \
        may differ from healpix(ra, dec, level). NULL for a negative number and for 12 * 2^59 or more, which are no ids. Int64.",
    example: "SELECT gaia_healpix(source_id, 5) AS pixel, count(*) FROM stars GROUP BY 1",
};
