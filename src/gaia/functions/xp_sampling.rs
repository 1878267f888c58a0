//! The arguments and results shared by the functions of sampled spectra.

use arrow::datatypes::{DataType, Field};
use lamcat_core::{
    error::Error,
    udf::{Argument, Literals, described, item},
};

use super::xp_arguments::COEFFICIENTS;
use crate::xp::{CALIBRATED_SAMPLES, Photometer, Sampling};

/// The photometer to which the coefficients of a call belong.
pub(super) const PHOTOMETER: Argument =
    Argument::choice("photometer", &["bp", "rp"], "'bp' or 'rp': whose coefficients these are.");
/// The pseudo-wavelengths at which a function computes values.
pub(super) const SAMPLING: Argument = Argument::list(
    "sampling",
    None,
    "List of pseudo-wavelengths in pixels, from -10 to 70; fastest when it is the same for all rows.",
);
/// The number of coefficients that a function uses.
pub(super) const RELEVANT: Argument =
    Argument::number("n_relevant_bases", "How many coefficients are significant; NULL, 0 or left out: all.").optional();

/// The coefficients of one band, or their errors.
pub(super) const fn coefficients(name: &'static str, meaning: &'static str) -> Argument {
    Argument::list(name, Some(&COEFFICIENTS), meaning)
}

/// Returns the photometer named by argument `at`, a [`PHOTOMETER`].
pub(super) fn photometer(literals: &Literals, at: usize) -> Result<Photometer, Error> {
    Ok([Photometer::Bp, Photometer::Rp][literals.choice(at)?])
}

/// Returns the field for a list of fluxes or of their errors, with the UCD for either photometer.
pub(super) fn sampled_field(photometer: Photometer, ucds: [&'static str; 2], description: &'static str) -> Field {
    described(DataType::List(item()), "electron.s**-1", ucds[photometer as usize], description)
}

/// Returns the field for a list of values at the wavelengths of calibrated spectra.
pub(super) fn calibrated_field(unit: &'static str, ucd: &'static str, description: &'static str) -> Field {
    described(DataType::FixedSizeList(item(), CALIBRATED_SAMPLES as i32), unit, ucd, description)
}

/// The basis functions for the sampling of the latest row, reused while rows have the same sampling.
pub(super) struct Sampled {
    photometer: Photometer,
    positions: Vec<f64>,
    sampling: Sampling,
}

impl Sampled {
    pub(super) fn new(photometer: Photometer) -> Self {
        Self { photometer, positions: Vec::new(), sampling: Sampling::new(photometer, &[]) }
    }

    pub(super) fn at(&mut self, positions: &[f64]) -> &Sampling {
        if self.positions != positions {
            self.sampling = Sampling::new(self.photometer, positions);
            self.positions = positions.to_vec();
        }
        &self.sampling
    }
}
