//! Real spectra: field stars of Gaia DR3. Their coefficients are the prior of simulated spectra ([`super::Prior`]), their
//! errors those of simulated stars ([`super::NoiseLibrary`]).

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

/// The spectrum of a real star over its G flux in e⁻ s⁻¹; 55 BP, then 55 RP values each.
#[derive(Debug, Clone)]
pub struct FieldStar {
    /// Coefficients over the G flux.
    pub coefficients: Vec<f32>,
    /// Its magnitude, colour and errors.
    pub noise: SpectrumNoise,
}

/// Real stars in order of G.
#[derive(Debug, Clone)]
pub struct FieldStars(Vec<FieldStar>);

impl FieldStars {
    /// Reads the spectra: columns `bp_coeff_0` … `rp_coeff_54`, `e_bp_coeff_0` …, `bp_n_relevant_bases`, `rp_…`.
    /// Stars without a positive G flux, or with a value that is not finite, are left out.
    ///
    /// # Errors
    /// If the file is missing, or has no star or not these columns.
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

    /// The stars in order of G.
    #[must_use]
    pub fn stars(&self) -> &[FieldStar] {
        &self.0
    }

    /// The errors of their spectra.
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
