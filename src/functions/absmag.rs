//! `absmag`: absolute magnitude.

use super::{
    numeric::{Kernel, Row, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{self, ColumnMeta};

pub(super) static SPEC: Spec = Spec {
    name: "absmag",
    arguments: &[
        number("parallax", "Parallax in mas."),
        number("mag", "Apparent magnitude."),
        number("extinction", "Extinction in the band in magnitudes; 0 if not given."),
    ],
    required: 2,
    kernel: Kernel::Float(absolute),
    meta: ColumnMeta { unit: "mag", ucd: "phys.magAbs", description: "Absolute magnitude" },
    section: SECTION_SKY,
    description: "The absolute magnitude mag + 5 log10(parallax / 100 mas) - extinction. The inverse of a noisy \
        parallax is biased: see fakemag. NULL where the parallax is not positive. Float64.",
    example: "SELECT absmag(parallax, phot_g_mean_mag, 0.3) FROM stars WHERE parallax_over_error > 20",
};

fn absolute(row: &Row) -> Option<f64> {
    let extinction = if row.given(2) { row.float(2)? } else { 0.0 };
    Some(schema::absmag(row.float(0)?, row.float(1)?, extinction))
}
