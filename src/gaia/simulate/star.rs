//! A simulated star.

use rand::Rng;

use super::labels::Labels;

/// Number of HEALPix pixels of level 12, with which a Gaia source id begins.
const PIXELS: i64 = 12 << 24;
/// Position of the pixel's bits in a source id.
const PIXEL_SHIFT: u32 = 35;

/// A star as observed by surveys; magnitudes in mag, parallaxes in mas, coefficients in the Gaia archive's units.
#[derive(Debug, Clone, PartialEq)]
pub struct Star {
    /// Identifier made from a random pixel of the sky and the row: unique in a simulation, and not sorted.
    pub source_id: i64,
    /// Its labels.
    pub labels: Labels,
    /// 55 BP and 55 RP coefficients with noise.
    pub coefficients: Vec<f32>,
    /// Their 1-sigma errors.
    pub errors: Vec<f32>,
    /// Numbers of relevant bases of BP and RP; the coefficients beyond them are present too.
    pub relevant: [i16; 2],
    /// G, BP and RP with noise.
    pub mags: [f64; 3],
    /// J - H of 2MASS with noise.
    pub j_h: f64,
    /// J - Ks of 2MASS with noise.
    pub j_k: f64,
    /// Parallax with noise, without a zero-point offset.
    pub parallax: f64,
    /// Its 1-sigma error.
    pub parallax_error: f64,
}

/// Returns the source id of a row, in Gaia's scheme.
pub(super) fn source_id(row: u64, rng: &mut impl Rng) -> i64 {
    (rng.random_range(0..PIXELS) << PIXEL_SHIFT) | (row & ((1 << PIXEL_SHIFT) - 1)) as i64
}
