//! `mag_to_flux`: flux of a Gaia magnitude.

use super::{
    numeric::{Kernel, Spec, number, word},
    reference::SECTION_SKY,
};
use crate::schema::{
    ColumnMeta,
    photometry::{BP_ZERO_POINT, G_ZERO_POINT, RP_ZERO_POINT, flux_from_mag},
};

pub(super) static SPEC: Spec = Spec {
    name: "mag_to_flux",
    arguments: &[number("mag", "Gaia magnitude (Vega)."), word("band", "Literal 'g', 'bp' or 'rp'.")],
    required: 2,
    kernel: Kernel::Chosen(&[
        ("g", |r| Some(flux_from_mag(r.float(0)?, G_ZERO_POINT))),
        ("bp", |r| Some(flux_from_mag(r.float(0)?, BP_ZERO_POINT))),
        ("rp", |r| Some(flux_from_mag(r.float(0)?, RP_ZERO_POINT))),
    ]),
    meta: ColumnMeta { unit: "electron.s**-1", ucd: "phot.flux;em.opt", description: "Flux in a Gaia band" },
    section: SECTION_SKY,
    description: "The flux in e-/s of a Gaia (E)DR3 magnitude, by the Vega zero points (Riello et al. 2021, A&A 649, \
        A3: G 25.6873668671, BP 25.3385422158, RP 24.7478955012). Float64.",
    example: "SELECT mag_to_flux(phot_g_mean_mag, 'g') FROM stars",
};
