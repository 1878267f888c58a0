//! The SQL functions, one per file, each a thin adapter round plain code below.
//!
//! The model's functions (`lam_*` with a context) are planned, not called: see [`crate::planner`]. Their adapter,
//! [`LamUdf`], knows their types and errors, and has a body for the calls the planner cannot place.

mod absmag;
mod basis;
mod call;
mod cone;
mod cone_pixels;
mod extinction_curve;
mod fakemag;
mod fakemag_error;
mod flux_to_mag;
mod gaia_healpix;
mod healpix;
mod healpix_29;
mod lam_context;
mod lam_embed;
mod lam_error;
mod lam_flags;
mod lam_infer;
mod lam_inpaint;
mod lam_ood_score;
mod lam_predict;
mod lam_spectrum;
mod lam_spectrum_error;
mod lists;
mod mag_to_flux;
mod numeric;
mod parallax_zero_point;
pub mod reference;
mod sky_distance;
mod udf;
mod xp;
mod xp_calibrate;
mod xp_calibrate_error;
mod xp_convert;
mod xp_convert_error;
mod xp_parameters;
mod xp_synth;
mod xp_synth_flux;
mod xp_synth_flux_error;
mod xp_synth_mag;
mod xp_synth_mag_error;
mod xp_udf;
mod xp_wavelength;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use basis::with_bases_checked;
pub use call::{Ask, Call};
pub use lam_context::NAME as LAM_CONTEXT;
pub use udf::{LamUdf, MODEL_ARGUMENT};

use self::xp_udf::{XpSpec, XpUdf};
use crate::inference::Engine;

/// Every function lamcat adds to SQL.
#[must_use]
pub fn all(engine: &Arc<Engine>) -> Vec<ScalarUDF> {
    let lam = [
        &lam_infer::SPEC,
        &lam_error::SPEC,
        &lam_predict::SPEC,
        &lam_spectrum::SPEC,
        &lam_spectrum_error::SPEC,
        &lam_inpaint::SPEC,
        &lam_embed::SPEC,
        &lam_ood_score::SPEC,
        &lam_flags::SPEC,
    ];
    let xp: [&'static XpSpec; 10] = [
        &xp::SPEC,
        &xp_calibrate::SPEC,
        &xp_calibrate_error::SPEC,
        &xp_wavelength::SPEC,
        &xp_convert::SPEC,
        &xp_convert_error::SPEC,
        &xp_synth_mag::SPEC,
        &xp_synth_mag_error::SPEC,
        &xp_synth_flux::SPEC,
        &xp_synth_flux_error::SPEC,
    ];
    let sky = [
        &gaia_healpix::SPEC,
        &healpix::SPEC,
        &healpix_29::SPEC,
        &cone::SPEC,
        &sky_distance::SPEC,
        &cone_pixels::SPEC,
        &mag_to_flux::SPEC,
        &flux_to_mag::SPEC,
        &fakemag::SPEC,
        &fakemag_error::SPEC,
        &absmag::SPEC,
        &parallax_zero_point::SPEC,
        &extinction_curve::SPEC,
    ];
    lam.into_iter()
        .map(|spec| ScalarUDF::from(LamUdf::new(spec, engine.clone())))
        .chain([ScalarUDF::from(lam_context::LamContext::new())])
        .chain(xp.into_iter().map(|spec| ScalarUDF::from(XpUdf::new(spec))))
        .chain(sky.into_iter().map(|spec| ScalarUDF::from(numeric::Numeric::new(spec))))
        .collect()
}
