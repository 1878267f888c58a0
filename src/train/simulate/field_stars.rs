//! Real spectra: field stars of Gaia DR3, whose coefficients, errors and numbers of relevant bases the simulator copies.

use std::path::Path;

use super::data::{DataFolder, column, fits_floats, malformed};
use crate::{
    error::Result,
    schema::g_flux,
    xp::{COEFFICIENTS_PER_BAND, XP_LEN, gaia_g, passband, synthetic_mag},
};

const FILE: &str = "xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";
const ORIGIN: &str = "https://github.com/fjaellet/xp_spectral_lines, or the Gaia archive";

/// Of so many stars nearest in G, a star of the nearest in colour gives the noise.
const NEAR_IN_G: usize = 20;
const NEAR_IN_COLOUR: usize = 5;

/// The spectrum of a real star over its G flux in e⁻ s⁻¹; 55 BP, then 55 RP values each.
#[derive(Debug, Clone)]
pub struct FieldStar {
    /// Synthetic G in mag.
    pub g: f64,
    /// Synthetic BP - RP in mag.
    pub bp_rp: f64,
    /// Coefficients over the G flux.
    pub coefficients: Vec<f32>,
    /// 1-sigma errors over the G flux.
    pub errors: Vec<f32>,
    /// Numbers of relevant bases of BP and RP.
    pub relevant: [i16; 2],
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
        stars.sort_by(|a, b| a.g.total_cmp(&b.g));
        Ok(Self(stars))
    }

    /// The stars in order of G.
    #[must_use]
    pub fn stars(&self) -> &[FieldStar] {
        &self.0
    }

    /// A star of about this G and BP - RP: of the 20 nearest in G the 5 nearest in colour are meant, `pick` chooses.
    #[must_use]
    pub fn like(&self, g: f64, bp_rp: f64, pick: usize) -> &FieldStar {
        let mut start = self.0.partition_point(|s| s.g < g);
        let mut end = start;
        while end - start < NEAR_IN_G.min(self.0.len()) {
            let below = start.checked_sub(1).map_or(f64::INFINITY, |i| g - self.0[i].g);
            let above = self.0.get(end).map_or(f64::INFINITY, |s| s.g - g);
            if below <= above { start -= 1 } else { end += 1 }
        }
        let mut near: Vec<&FieldStar> = self.0[start..end].iter().collect();
        near.sort_by(|a, b| (a.bp_rp - bp_rp).abs().total_cmp(&(b.bp_rp - bp_rp).abs()));
        near[pick % NEAR_IN_COLOUR.min(near.len())]
    }
}

fn field_star(coefficients: &[f32], errors: &[f32], relevant: [i16; 2]) -> Option<FieldStar> {
    let wide: Vec<f64> = coefficients.iter().map(|c| f64::from(*c)).collect();
    let (bp, rp) = wide.split_at(COEFFICIENTS_PER_BAND);
    let mag = |name: &str| passband(name).map(|p| synthetic_mag(bp, rp, p));
    let g = synthetic_mag(bp, rp, gaia_g());
    let over_flux = |values: &[f32]| values.iter().map(|v| (f64::from(*v) / g_flux(g)) as f32).collect::<Vec<f32>>();
    let star = FieldStar {
        g,
        bp_rp: mag("BP")? - mag("RP")?,
        coefficients: over_flux(coefficients),
        errors: over_flux(errors),
        relevant,
    };
    let finite = star.coefficients.iter().chain(&star.errors).all(|v| v.is_finite());
    (finite && star.g.is_finite() && star.bp_rp.is_finite()).then_some(star)
}
