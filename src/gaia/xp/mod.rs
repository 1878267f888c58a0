//! Gaia BP/RP spectra as plain numbers: coefficients of basis functions and quantities computed from them. These are
//! internally calibrated spectra (De Angeli et al. 2023, A&A 674, A2), externally calibrated ones (Montegriffo et al.
//! 2023, A&A 674, A3), and synthetic photometry (Gaia Collaboration, Montegriffo et al. 2023, A&A 674, A33), each with
//! its errors.
//!
//! The results agree with those of the GaiaXPy package, whose numbers are in `tables/`.

mod bands;
mod calibrate;
mod convert;
mod covariance;
mod normalise;
mod passbands;
mod photometry;
mod tables;

pub use bands::{COEFFICIENTS_PER_BAND, Malformed, XP_LEN, band};
pub use calibrate::{CALIBRATED_SAMPLES, calibrate, calibrate_error, wavelengths_nm};
pub use convert::{PSEUDO_WAVELENGTH_RANGE, Photometer, Sampling};
pub use covariance::{Covariance, is_triangle};
pub use normalise::normalise;
pub use passbands::{Passband, gaia_g, passband, passbands};
pub use photometry::{synthetic_flux, synthetic_flux_error, synthetic_mag, synthetic_mag_error};
