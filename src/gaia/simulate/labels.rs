//! The labels of the stars to simulate.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::Vocabulary,
};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    carried::Carried,
    data::{DataFolder, malformed},
    numpy::npy_rows,
};

const FOLDER: &str = "labels/spectrafm_apogee_dr17";
const ORIGIN: &str = "https://github.com/NolanKoblischke/SpectraFM_NeurIPS";
/// Indices of the labels among the tables' columns Teff, logg, [O/Fe], [Mg/Fe], [Fe/H].
const COLUMNS: [usize; 3] = [0, 1, 4];
const WIDTH: usize = 5;

/// Range of G in mag; it is that of the training set of Leung & Bovy (2023).
const G_RANGE: (f64, f64) = (6.0, 17.5);
/// ln E(B-V) of a star without dust, as in that training set.
const NO_DUST: f64 = -7.0;

/// The labels that determine a spectrum: Teff in K, logg (cgs) and metallicity in dex.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Atmosphere {
    /// Effective temperature in K.
    pub teff: f32,
    /// Logarithm of the surface gravity in cm s⁻².
    pub logg: f32,
    /// Metallicity relative to the Sun in dex.
    pub m_h: f32,
}

impl Atmosphere {
    /// Returns Teff, logg and metallicity.
    #[must_use]
    pub fn values(self) -> [f32; 3] {
        [self.teff, self.logg, self.m_h]
    }

    fn from_values([teff, logg, m_h]: [f32; 3]) -> Self {
        Self { teff, logg, m_h }
    }
}

/// Labels of one star: its true properties, and those that a survey measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labels {
    /// The labels that determine its spectrum.
    pub truth: Atmosphere,
    /// The labels that APOGEE would measure.
    pub measured: Atmosphere,
    /// 1-sigma errors of the measured Teff, logg and metallicity.
    pub errors: [f32; 3],
    /// Natural logarithm of the colour excess E(B-V) in mag; the minimum is -7, which means no dust.
    pub logebv: f64,
    /// G in mag, 6 to 17.5.
    pub g: f64,
}

/// The stars of APOGEE DR17 (Abdurro'uf et al. 2022, ApJS 259, 35) from which labels are drawn: 128,428 rows, of which
/// only those with a metallicity are used.
#[derive(Debug, Clone)]
pub struct Population {
    /// Labels and their errors.
    stars: Vec<([f32; 3], [f32; 3])>,
    /// Mean and standard deviation of ln E(B-V).
    logebv: (f64, f64),
}

impl Population {
    /// Reads the tables; the distribution of dust is that of the vocabulary's `logebv`.
    ///
    /// # Errors
    /// If a file is missing or malformed.
    pub fn load(data: &DataFolder) -> Result<Self> {
        let mut stars = Vec::new();
        for part in ["train", "test"] {
            let table = |kind: &str| {
                let path = data.file(&format!("{FOLDER}/{kind}_{part}.npy"), ORIGIN)?;
                npy_rows(&path, WIDTH).map(|rows| (path, rows))
            };
            let ((_, labels), (path, errors)) = (table("labels")?, table("label_errs")?);
            if labels.nrows() != errors.nrows() {
                return Err(malformed(&path, "it has another number of rows than the labels"));
            }
            let rows = labels.rows().into_iter().zip(errors.rows());
            let rows = rows.map(|(l, e)| (COLUMNS.map(|c| l[c]), COLUMNS.map(|c| e[c])));
            stars.extend(rows.filter(|(l, e)| l.iter().all(|x| x.is_finite()) && e.iter().all(|x| *x > 0.0)));
        }
        if stars.is_empty() {
            return Err(Error::new(ErrorKind::Input, "no star has all labels").at("folder", FOLDER));
        }
        Ok(Self { stars, logebv: logebv()? })
    }

    /// Returns the embedded stars, with Teff to 0.25 K, and logg and metallicity to 0.0005 dex.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let mut column = |name: &str| data.scaled(&format!("apogee_{name}"), &[0]);
        let labels = [column("teff")?, column("logg")?, column("m_h")?];
        let errors = [column("teff_error")?, column("logg_error")?, column("m_h_error")?];
        let star = |i: usize| ([0, 1, 2].map(|label| labels[label][i]), [0, 1, 2].map(|label| errors[label][i]));
        let shortest = labels.iter().chain(&errors).map(Vec::len).min().unwrap_or_default();
        Ok(Self { stars: (0..shortest).map(star).collect(), logebv: logebv()? })
    }

    /// Number of stars that have all labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stars.len()
    }

    /// Whether there are no stars; never true for a population that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stars.is_empty()
    }

    /// Draws the labels of a star: those of a star of APOGEE are the measured ones, and the truth is drawn around them
    /// within their errors.
    pub fn draw(&self, rng: &mut impl Rng) -> Labels {
        let (measured, errors) = self.stars[rng.random_range(0..self.stars.len())];
        let mut truth = measured;
        for (value, error) in truth.iter_mut().zip(errors) {
            *value += error * normal(rng) as f32;
        }
        let logebv = (self.logebv.0 + self.logebv.1 * normal(rng)).max(NO_DUST);
        Labels {
            truth: Atmosphere::from_values(truth),
            measured: Atmosphere::from_values(measured),
            errors,
            logebv,
            g: rng.random_range(G_RANGE.0..G_RANGE.1),
        }
    }
}

/// Mean and standard deviation of ln E(B-V) in the training set of Leung & Bovy (2023).
fn logebv() -> Result<(f64, f64)> {
    let vocabulary = Vocabulary::leung_bovy_2023();
    let token = vocabulary.token(vocabulary.require("logebv")?);
    Ok((token.median, token.scale))
}

/// Draws from the normal distribution with mean 0 and standard deviation 1.
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    StandardNormal.sample(rng)
}
