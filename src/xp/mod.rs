//! Gaia BP/RP spectra as plain numbers: coefficients of basis functions and the fluxes that follow from them.

mod normalise;
mod photometry;

pub use normalise::{COEFFICIENTS_PER_BAND, XP_LEN, normalise};
pub use photometry::{Band, synthetic_flux, synthetic_mag};
