//! `sky_distance`: the angle between two positions.

use super::{
    numeric::{Kernel, Row, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{ColumnMeta, healpix};

pub(super) static SPEC: Spec = Spec {
    name: "sky_distance",
    arguments: &[
        number("ra1", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec1", "Declination (ICRS) in degrees, -90 to 90."),
        number("ra2", "Right ascension (ICRS) in degrees, any finite value."),
        number("dec2", "Declination (ICRS) in degrees, -90 to 90."),
    ],
    required: 4,
    kernel: Kernel::Float(distance),
    meta: ColumnMeta { unit: "deg", ucd: "pos.angDistance", description: "Angle between two positions" },
    section: SECTION_SKY,
    description: "The angle between two positions in degrees, accurate from microarcseconds to antipodes (Vincenty's \
        formula). NULL where a coordinate is NULL or not finite, or a declination is beyond a pole. Float64.",
    example: "SELECT source_id, 3600 * sky_distance(ra, dec, 83.6331, 22.0145) AS arcsec FROM stars",
};

fn distance(row: &Row) -> Option<f64> {
    let [ra1, dec1, ra2, dec2] = row.floats(0)?;
    Some(healpix::sky_distance(ra1, dec1, ra2, dec2))
}
