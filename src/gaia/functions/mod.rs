//! SQL functions for Gaia's data: BP and RP spectra, identifiers, magnitudes and parallaxes.

mod basis;
mod xp_arguments;
mod xp_photometry;
mod xp_sampling;

pub(crate) use basis::with_bases_checked;

use lamcat_core::{
    functions,
    udf::{Argument, Section},
};

use crate::photometry::{BP_ZERO_POINT, G_ZERO_POINT, RP_ZERO_POINT};

functions! {
    xp,
    xp_calibrate,
    xp_calibrate_error,
    xp_wavelength,
    xp_convert,
    xp_convert_error,
    xp_synth_mag,
    xp_synth_mag_error,
    xp_synth_flux,
    xp_synth_flux_error,
    gaia_healpix,
    mag_to_flux,
    flux_to_mag,
    parallax_zero_point,
}

static XP: Section = Section {
    label: "XP functions",
    description: "Gaia BP/RP spectra as basis-function coefficients.",
    appendix: |_| None,
};

static SECTION: Section = Section {
    label: "Gaia functions",
    description: "Identifiers, magnitudes and parallaxes of Gaia. Any numeric types are taken; where an argument is \
                  NULL, NaN or infinite the result is NULL, if nothing else is said.",
    appendix: |_| None,
};

/// A band of Gaia's photometry; [`ZERO_POINTS`] has the same order as its choices.
const BAND: Argument = Argument::choice("band", &["g", "bp", "rp"], "Literal 'g', 'bp' or 'rp'.");
const ZERO_POINTS: [f64; 3] = [G_ZERO_POINT, BP_ZERO_POINT, RP_ZERO_POINT];
