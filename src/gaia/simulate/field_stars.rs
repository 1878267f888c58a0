//! Real spectra: field stars of Gaia DR3. Their coefficients are the prior of simulated spectra ([`super::Prior`]), and
//! their errors become those of simulated stars ([`super::NoiseLibrary`]).

use std::path::Path;

use lamcat_core::error::Result;

use super::{
    data::{DataFolder, column, fits_floats, malformed},
    spectrum_noise::{NoiseLibrary, SpectrumNoise},
};
use crate::{
    g_flux,
    xp::{COEFFICIENTS_PER_BAND, XP_LEN, gaia_g, passband, synthetic_mag},
};

const FILE: &str = "xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";
const ORIGIN: &str = "https://github.com/fjaellet/xp_spectral_lines, or the Gaia archive";

/// The spectrum of a real star divided by its G flux in e⁻ s⁻¹; lists have 55 BP values, then 55 RP values.
#[derive(Debug, Clone)]
pub struct FieldStar {
    /// Coefficients divided by the G flux.
    pub coefficients: Vec<f32>,
    /// Its magnitude, colour and errors.
    pub noise: SpectrumNoise,
}

/// Real stars, sorted by G.
#[derive(Debug, Clone)]
pub struct FieldStars(Vec<FieldStar>);

impl FieldStars {
    /// Reads the spectra from the columns `bp_coeff_0` … `rp_coeff_54`, `e_bp_coeff_0` …, `bp_n_relevant_bases`,
    /// `rp_…`. Stars without a positive G flux, or with a value that is not finite, are left out.
    ///
    /// # Errors
    /// If the file is missing, has no stars, or lacks one of these columns.
    pub fn load(data: &DataFolder) -> Result<Self> {
        let path = data.file(FILE, ORIGIN)?;
        let columns = fits_floats(&path, |name| name != "source_id")?;
        let series = |prefix: &str| -> Result<Vec<&[f32]>> {
            let names = (0..XP_LEN).map(|i| {
                let (band, order) =
                    if i < COEFFICIENTS_PER_BAND { ("bp", i) } else { ("rp", i - COEFFICIENTS_PER_BAND) };
                format!("{prefix}{band}_coeff_{order}")
            });
            names.map(|name| column(&path, &columns, &name)).collect()
        };
        let (coefficients, errors) = (series("")?, series("e_")?);
        let relevant =
            [column(&path, &columns, "bp_n_relevant_bases")?, column(&path, &columns, "rp_n_relevant_bases")?];
        let star = |row: usize| {
            let at = |columns: &[&[f32]]| columns.iter().map(|c| c[row]).collect::<Vec<f32>>();
            field_star(&at(&coefficients), &at(&errors), relevant.map(|r| r[row] as i16))
        };
        Self::new((0..relevant[0].len()).filter_map(star).collect(), &path)
    }

    fn new(mut stars: Vec<FieldStar>, path: &Path) -> Result<Self> {
        if stars.is_empty() {
            return Err(malformed(path, "it has no complete spectrum"));
        }
        stars.sort_by(|a, b| a.noise.g.total_cmp(&b.noise.g));
        Ok(Self(stars))
    }

    /// The stars, sorted by G.
    #[must_use]
    pub fn stars(&self) -> &[FieldStar] {
        &self.0
    }

    /// Returns the errors of their spectra.
    #[must_use]
    pub fn noise(&self) -> NoiseLibrary {
        NoiseLibrary::new(self.0.iter().map(|star| star.noise.clone()).collect())
    }
}

fn field_star(coefficients: &[f32], errors: &[f32], relevant: [i16; 2]) -> Option<FieldStar> {
    let wide: Vec<f64> = coefficients.iter().map(|c| f64::from(*c)).collect();
    let (bp, rp) = wide.split_at(COEFFICIENTS_PER_BAND);
    let mag = |name: &str| passband(name).map(|p| synthetic_mag(bp, rp, p));
    let g = synthetic_mag(bp, rp, gaia_g());
    let over_flux = |values: &[f32]| values.iter().map(|v| (f64::from(*v) / g_flux(g)) as f32).collect::<Vec<f32>>();
    let noise = SpectrumNoise { g, bp_rp: mag("BP")? - mag("RP")?, errors: over_flux(errors), relevant };
    let star = FieldStar { coefficients: over_flux(coefficients), noise };
    let finite = star.coefficients.iter().chain(&star.noise.errors).all(|v| v.is_finite());
    (finite && star.noise.g.is_finite() && star.noise.bp_rp.is_finite()).then_some(star)
}
