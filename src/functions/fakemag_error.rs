//! `fakemag_error`: error of the pseudo-luminosity.

use super::{
    numeric::{Kernel, Row, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{self, ColumnMeta};

pub(super) static SPEC: Spec = Spec {
    name: "fakemag_error",
    arguments: &[
        number("parallax", "Parallax in mas."),
        number("parallax_error", "Its 1-sigma error in mas."),
        number("mag", "Apparent magnitude."),
        number("mag_error", "Its 1-sigma error; 0 if not given."),
    ],
    required: 3,
    kernel: Kernel::Float(error),
    meta: ColumnMeta { unit: "", ucd: "stat.error;phot.mag;arith", description: "Error of the pseudo-luminosity" },
    section: SECTION_SKY,
    description: "The 1-sigma error of fakemag(parallax, mag) to first order: parallax_error * 10^(0.2 mag), and with \
        mag_error the magnitude's share, which grows with the parallax. Float64.",
    example: "SELECT fakemag_error(parallax, parallax_error, phot_g_mean_mag) FROM stars",
};

fn error(row: &Row) -> Option<f64> {
    let [parallax, parallax_error, mag] = row.floats(0)?;
    let mag_error = if row.given(3) { row.float(3)? } else { 0.0 };
    Some(schema::fakemag_error(parallax, parallax_error, mag, mag_error))
}
