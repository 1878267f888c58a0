//! `parallax_zero_point`: the bias of Gaia parallaxes.

use super::{
    numeric::{Kernel, Row, Spec, integer, number},
    reference::SECTION_SKY,
};
use crate::schema::{self, ColumnMeta};

pub(super) static SPEC: Spec = Spec {
    name: "parallax_zero_point",
    arguments: &[
        number("phot_g_mean_mag", "Gaia G magnitude, 6 to 21."),
        number(
            "nu_eff_used_in_astrometry",
            "Effective wavenumber in 1/um, 1.1 to 1.9; may be NULL for six-parameter solutions.",
        ),
        number("pseudocolour", "Pseudocolour in 1/um, 1.24 to 1.72; may be NULL for five-parameter solutions."),
        number("ecl_lat", "Ecliptic latitude in degrees."),
        integer("astrometric_params_solved", i64::MIN..=i64::MAX, "31: five parameters, 95: six."),
    ],
    required: 5,
    kernel: Kernel::Float(zero_point),
    meta: ColumnMeta {
        unit: "mas",
        ucd: "pos.parallax;arith.zp",
        description: "Parallax zero point, to be subtracted from the parallax",
    },
    section: SECTION_SKY,
    description: "The zero point of a Gaia (E)DR3 parallax in mas (Lindegren et al. 2021, A&A 649, A4, Tables 9 and \
        10): the corrected parallax is parallax - zero point. NULL outside the range in which the recipe was \
        determined, its limits excluded (6 < G < 21; 1.1 < nu_eff < 1.9 or 1.24 < pseudocolour < 1.72), and \
        for two-parameter solutions. Float64.",
    example: "SELECT parallax - parallax_zero_point(phot_g_mean_mag, nu_eff_used_in_astrometry, pseudocolour, ecl_lat, astrometric_params_solved) AS parallax_corrected FROM stars",
};

fn zero_point(row: &Row) -> Option<f64> {
    schema::parallax_zero_point(row.float(0)?, row.float(1), row.float(2), row.float(3)?, row.integer(4)?)
}
