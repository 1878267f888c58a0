//! Simulates stars: computes from labels the spectra, magnitudes and parallaxes that Gaia and 2MASS would measure.
//!
//! A star is made in these steps, each of which uses published or measured data, either embedded in the program
//! ([`Simulator::carried`]) or read from a folder ([`Simulator::load`]):
//!
//! 1. Teff, logg and [Fe/H] come from a star of APOGEE DR17, E(B-V) from the distribution of the training set of Leung
//!    & Bovy (2023, arXiv 2308.10944); G is uniform from 6 to 17.5 ([`Labels`]).
//! 2. The intrinsic spectrum on the 343 samples of a calibrated XP spectrum comes from a network trained on XP spectra
//!    if the labels are near its training labels ([`Payne`]), otherwise from the ATLAS9 grid ([`Ck04`]).
//! 3. Absolute magnitude and colours without dust come from the network of Green et al. (2020) ([`Green2020`]). Dust
//!    is removed from the spectrum of a giant until it has that BP - RP, because the giants on which the network of
//!    step 2 was trained are behind some dust. A spectrum of the grid is adjusted in either direction.
//! 4. Dust is added with the law of Gordon et al. (2023) and R(V) 3.1, or another [`DustKind`] ([`Dust`]).
//! 5. Coefficients are computed from the samples by least squares with a Gaussian prior from real spectra
//!    ([`Inversion`]).
//! 6. Noise is added: errors and numbers of relevant bases are those of real stars of similar magnitude and colour
//!    ([`NoiseLibrary`]); those of parallax and magnitudes follow the mission's published performance.
//!
//! The embedded data are stored in 16 bits. Compared with the files, fluxes differ by 5e-5 in the median, by less than
//! 2e-4 in 99 % of the samples and by 1.1e-3 at most, coefficients by less than 0.1 of the errors of a star of G 7.3,
//! which are the smallest. Labels differ by up to 0.25 K and 0.0005 dex, errors of coefficients by up to 0.05 %. A star
//! with the same seed and row is the same in both, within 0.06 of its errors in 99 % of its coefficients, except that
//! one in 500 gets the noise of another real star.
//!
//! The result is a simulation: noise is independent from coefficient to coefficient; binaries, peculiar stars, crowding
//! and systematic errors are missing; and a star's distance follows from its luminosity and G.

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
