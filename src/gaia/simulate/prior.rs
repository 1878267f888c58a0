//! The distribution of the coefficients of real spectra.

use lamcat_core::error::{Error, ErrorKind, Result};

use super::{carried::Carried, field_stars::FieldStar};
use crate::xp::XP_LEN;

/// Faint limit in G of the prior's stars: the coefficients of fainter stars are dominated by noise.
const FAINTEST_G: f64 = 16.0;

/// Mean and covariance of the coefficients (55 BP, 55 RP), divided by the G flux, of real stars brighter than G 16.
#[derive(Debug, Clone)]
pub struct Prior {
    /// The 110 means.
    pub(super) mean: Vec<f64>,
    /// Their covariance, row-major.
    pub(super) covariance: Vec<f64>,
}

impl Prior {
    /// Computes the distribution of these stars' coefficients, without the faint stars.
    ///
    /// # Errors
    /// If there are fewer stars than coefficients, so that the covariance is undetermined.
    pub fn of<'a>(stars: impl IntoIterator<Item = &'a FieldStar>) -> Result<Self> {
        let bright: Vec<&FieldStar> = stars.into_iter().filter(|s| s.noise.g < FAINTEST_G).collect();
        if bright.len() <= XP_LEN {
            let message = format!("{} stars brighter than G {FAINTEST_G} make no prior", bright.len());
            return Err(Error::new(ErrorKind::Input, message).hint(format!("more than {XP_LEN} spectra are needed")));
        }
        let mean = mean(&bright);
        Ok(Self { covariance: covariance(&bright, &mean), mean })
    }

    /// Returns the embedded distribution.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let mean = data.doubles("prior_mean", &[XP_LEN])?;
        let lower = data.doubles("prior_covariance", &[XP_LEN * (XP_LEN + 1) / 2])?;
        let at = |row: usize, column: usize| lower[row * (row + 1) / 2 + column];
        let covariance = (0..XP_LEN * XP_LEN).map(|i| (i / XP_LEN, i % XP_LEN));
        let covariance = covariance.map(|(row, column)| at(row.max(column), row.min(column))).collect();
        Ok(Self { mean, covariance })
    }
}

fn mean(stars: &[&FieldStar]) -> Vec<f64> {
    let count = stars.len() as f64;
    let mut mean = vec![0.0; XP_LEN];
    for star in stars {
        mean.iter_mut().zip(&star.coefficients).for_each(|(m, c)| *m += f64::from(*c) / count);
    }
    mean
}

fn covariance(stars: &[&FieldStar], mean: &[f64]) -> Vec<f64> {
    let mut covariance = vec![0.0; XP_LEN * XP_LEN];
    for star in stars {
        let deviation: Vec<f64> = star.coefficients.iter().zip(mean).map(|(c, m)| f64::from(*c) - m).collect();
        for (row, a) in covariance.chunks_exact_mut(XP_LEN).zip(&deviation) {
            let share = a / (stars.len() as f64 - 1.0);
            row.iter_mut().zip(&deviation).for_each(|(v, b)| *v += share * b);
        }
    }
    covariance
}
