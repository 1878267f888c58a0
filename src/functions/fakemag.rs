//! `fakemag`: pseudo-luminosity.

use super::{
    numeric::{Kernel, Spec, number},
    reference::SECTION_SKY,
};
use crate::schema::{self, ColumnMeta};

pub(super) static SPEC: Spec = Spec {
    name: "fakemag",
    arguments: &[number("parallax", "Parallax in mas."), number("mag", "Apparent magnitude.")],
    required: 2,
    kernel: Kernel::Float(|r| Some(schema::fakemag(r.float(0)?, r.float(1)?))),
    meta: ColumnMeta {
        unit: "",
        ucd: "phot.mag;arith",
        description: "Parallax in mas times 10^(0.2 mag): pseudo-luminosity",
    },
    section: SECTION_SKY,
    description: "The pseudo-luminosity parallax * 10^(0.2 mag) of Leung & Bovy (2023), with the parallax in mas: \
        defined for negative parallaxes too, and with a Gaussian error where the parallax has one. The \
        model's token g_fakemag is fakemag(parallax, phot_g_mean_mag). Float64.",
    example: "SELECT fakemag(parallax, phot_g_mean_mag) AS g_fakemag FROM stars",
};
