//! The ATLAS9 grid of Castelli & Kurucz (2004, arXiv astro-ph/0405087), as published by the Space Telescope Science
//! Institute.

use std::path::Path;

use lamcat_core::error::Result;

use super::{
    carried::Carried,
    data::{DataFolder, column, fits_floats, malformed},
    labels::Atmosphere,
};
use crate::xp::{CALIBRATED_SAMPLES, wavelengths_nm};

const ORIGIN: &str = "https://archive.stsci.edu/hlsps/reference-atlases/cdbs/grid/ck04models/";

/// Folder suffixes and [M/H] of the grid.
const METALLICITIES: [(&str, f32); 8] = [
    ("m25", -2.5),
    ("m20", -2.0),
    ("m15", -1.5),
    ("m10", -1.0),
    ("m05", -0.5),
    ("p00", 0.0),
    ("p02", 0.2),
    ("p05", 0.5),
];
/// Teff from 3500 to 8000 K in steps of 250 K.
const TEFF: (f32, f32, usize) = (3500.0, 250.0, 19);
/// logg from 0 to 5 in steps of 0.5.
const LOGG: (f32, f32, usize) = (0.0, 0.5, 11);

/// Standard deviation in nm of the Gaussian that smooths the models, which are much finer than the instrument, to the
/// resolution of calibrated spectra.
const BLUR_NM: f32 = 4.0;

/// Logarithms of the fluxes at the samples of a calibrated spectrum.
#[derive(Debug, Clone)]
pub struct Ck04 {
    /// By [M/H], Teff, logg, sample; NaN where the grid has no model.
    log_flux: Vec<f32>,
}

impl Ck04 {
    /// Reads the 152 files of the grid.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn load(data: &DataFolder) -> Result<Self> {
        let mut log_flux = Vec::with_capacity(METALLICITIES.len() * TEFF.2 * LOGG.2 * CALIBRATED_SAMPLES);
        for (suffix, _) in METALLICITIES {
            for step in 0..TEFF.2 {
                let name = format!("ck{suffix}_{}.fits", TEFF.0 + TEFF.1 * step as f32);
                let path = data.file(&format!("forward_model/ck04/ck{suffix}/{name}"), ORIGIN)?;
                read(&path, &mut log_flux)?;
            }
        }
        Ok(Self { log_flux })
    }

    /// Returns the embedded grid, in which logarithms are accurate to 2.5e-4.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let shape = [METALLICITIES.len(), TEFF.2, LOGG.2, CALIBRATED_SAMPLES];
        Ok(Self { log_flux: data.scaled_differences("ck04", &shape)? })
    }

    /// Returns the flux per nm at the wavelengths of a calibrated XP spectrum in arbitrary units, interpolated linearly
    /// in its logarithm; `None` outside 3500-8000 K, logg 0-5, [M/H] -2.5-0.5, and where the grid has no models.
    #[must_use]
    pub fn flux(&self, star: Atmosphere) -> Option<Vec<f32>> {
        let teff = place((star.teff - TEFF.0) / TEFF.1, TEFF.2)?;
        let logg = place((star.logg - LOGG.0) / LOGG.1, LOGG.2)?;
        let right = METALLICITIES.iter().position(|(_, m)| *m >= star.m_h)?.max(1);
        let [low, high] = [METALLICITIES[right - 1].1, METALLICITIES[right].1];
        let share = (star.m_h - low) / (high - low);
        let metallicity = (share >= 0.0).then_some((right - 1, share))?;
        let mut sum = vec![0.0; CALIBRATED_SAMPLES];
        for corner in 0..8 {
            let pick = |(left, share): (usize, f32), bit: usize| {
                if corner >> bit & 1 == 1 { (left + 1, share) } else { (left, 1.0 - share) }
            };
            let ((m, wm), (t, wt), (g, wg)) = (pick(metallicity, 0), pick(teff, 1), pick(logg, 2));
            let weight = wm * wt * wg;
            if weight > 0.0 {
                let start = ((m * TEFF.2 + t) * LOGG.2 + g) * CALIBRATED_SAMPLES;
                let model = &self.log_flux[start..start + CALIBRATED_SAMPLES];
                sum.iter_mut().zip(model).for_each(|(s, f)| *s += weight * f);
            }
        }
        sum.iter().all(|f| f.is_finite()).then(|| sum.into_iter().map(f32::exp).collect())
    }
}

/// Returns the left neighbour on an axis of `len` points and the weight of the right one; `None` outside the axis.
fn place(position: f32, len: usize) -> Option<(usize, f32)> {
    let inside = position >= 0.0 && position <= (len - 1) as f32;
    let left = (position.max(0.0) as usize).min(len - 2);
    inside.then_some((left, position - left as f32))
}

fn read(path: &Path, log_flux: &mut Vec<f32>) -> Result<()> {
    let columns = fits_floats(path, |_| true)?;
    let angstrom = column(path, &columns, "WAVELENGTH")?;
    if !angstrom.is_sorted() {
        return Err(malformed(path, "the wavelengths are not in order"));
    }
    let blur = Blur::new(angstrom);
    for step in 0..LOGG.2 {
        let flux = column(path, &columns, &format!("g{:02}", 5 * step))?;
        let floor = f32::MIN_POSITIVE;
        log_flux.extend(blur.apply(flux).map(|f| if f > floor { f.ln() } else { f32::NAN }));
    }
    Ok(())
}

/// For each sample, the first of a model's points that it averages, and their weights.
struct Blur(Vec<(usize, Vec<f32>)>);

impl Blur {
    fn new(angstrom: &[f32]) -> Self {
        let nm = |i: usize| angstrom[i] / 10.0;
        let samples = wavelengths_nm().iter().map(|centre| {
            let centre = *centre as f32;
            let start = angstrom.partition_point(|a| a / 10.0 < centre - 4.0 * BLUR_NM).max(1);
            let end = angstrom.partition_point(|a| a / 10.0 <= centre + 4.0 * BLUR_NM).min(angstrom.len() - 1);
            let weight = |i: usize| {
                let z = (nm(i) - centre) / BLUR_NM;
                (-0.5 * z * z).exp() * (nm(i + 1) - nm(i - 1))
            };
            let weights: Vec<f32> = (start..end).map(weight).collect();
            let sum: f32 = weights.iter().sum();
            (start, weights.into_iter().map(|w| w / sum).collect())
        });
        Self(samples.collect())
    }

    fn apply<'a>(&'a self, flux: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        self.0.iter().map(|(start, weights)| flux[*start..].iter().zip(weights).map(|(f, w)| f * w).sum())
    }
}
