//! `flux_to_mag`: Gaia magnitude of a flux.

use super::{
    numeric::{Kernel, Spec, number, word},
    reference::SECTION_SKY,
};
use crate::schema::{
    ColumnMeta,
    photometry::{BP_ZERO_POINT, G_ZERO_POINT, RP_ZERO_POINT, mag_from_flux},
};

pub(super) static SPEC: Spec = Spec {
    name: "flux_to_mag",
    arguments: &[number("flux", "Flux in e-/s."), word("band", "Literal 'g', 'bp' or 'rp'.")],
    required: 2,
    kernel: Kernel::Chosen(&[
        ("g", |r| Some(mag_from_flux(r.float(0)?, G_ZERO_POINT))),
        ("bp", |r| Some(mag_from_flux(r.float(0)?, BP_ZERO_POINT))),
        ("rp", |r| Some(mag_from_flux(r.float(0)?, RP_ZERO_POINT))),
    ]),
    meta: ColumnMeta { unit: "mag", ucd: "phot.mag;em.opt", description: "Vega magnitude in a Gaia band" },
    section: SECTION_SKY,
    description: "The Gaia (E)DR3 magnitude of a flux in e-/s: the inverse of mag_to_flux. NULL where the flux is not \
        positive. Float64.",
    example: "SELECT flux_to_mag(phot_bp_mean_flux, 'bp') FROM stars",
};
