//! Simulated stars: from labels to the spectra, magnitudes and parallaxes that Gaia and 2MASS would give.
//!
//! A star is made in these steps, each of published or measured material, which the program carries
//! ([`Simulator::carried`]) or reads from a folder ([`Simulator::load`]):
//!
//! 1. Teff, logg and [Fe/H] of a star of APOGEE DR17; E(B-V) from the distribution of the training set of Leung & Bovy
//!    (2023, arXiv 2308.10944); G uniform from 6 to 17.5 ([`Labels`]).
//! 2. Intrinsic spectrum on the 343 samples of a calibrated XP spectrum: a network trained on XP spectra near its
//!    training labels ([`Payne`]), the ATLAS9 grid elsewhere ([`Ck04`]).
//! 3. Absolute magnitude and colours without dust from the network of Green et al. (2020) ([`Green2020`]). The spectrum
//!    of a giant is brought to its BP - RP by taking dust away: the giants that the network of step 2 is trained on are
//!    behind some. A spectrum of the grid is brought to it either way.
//! 4. Dust: Gordon et al. (2023) with R(V) 3.1, or another [`DustKind`] ([`Dust`]).
//! 5. Coefficients from the samples by least squares with a Gaussian prior from real spectra ([`Inversion`]).
//! 6. Noise: errors and numbers of relevant bases of real stars of like magnitude and colour ([`NoiseLibrary`]); parallax
//!    and magnitudes by the mission's published performance.
//!
//! What is carried is kept in 16 bits: fluxes differ from those of the files by 5e-5 in the median, by less than 2e-4 in
//! 99 % of the samples and by 1.1e-3 at most, coefficients by less than 0.1 of the errors of a star of G 7.3, which are the
//! smallest there are. Labels differ by up to 0.25 K and 0.0005 dex, errors of coefficients by up to 0.05 %. A star of the
//! same seed and row is the same in both, within 0.06 of its errors in 99 % of its coefficients, but for one in 500 that
//! gets the noise of another real star.
//!
//! The result is a simulation: noise is independent from coefficient to coefficient, binaries, peculiar stars, crowding
//! and systematic errors are missing, and a star's distance is whatever its luminosity and G give.

mod carried;
mod ck04;
mod data;
mod dust;
mod field_stars;
mod green;
mod inversion;
mod labels;
mod matrix;
mod noise;
mod numpy;
mod payne;
mod prior;
mod simulator;
mod spectrum_noise;
mod star;
mod table;
mod write;

pub use ck04::Ck04;
pub use data::DataFolder;
pub use dust::{Cloud, Dust, DustKind, DustLaw};
pub use field_stars::{FieldStar, FieldStars};
pub use green::{Green2020, Photometry};
pub use inversion::{Band, Inversion};
pub use labels::{Atmosphere, Labels, Population};
pub use noise::{magnitude_error, parallax_error, two_mass_error};
pub use payne::Payne;
pub use prior::Prior;
pub use simulator::{Intrinsic, Simulator};
pub use spectrum_noise::{NoiseLibrary, SpectrumNoise};
pub use star::Star;
pub use table::{is_test, schema};
pub use write::{SimulateOptions, simulate};
