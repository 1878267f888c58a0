//! Interstellar dust: Gordon et al. (2023, ApJ 950, 86) with R(V) 3.1.

use crate::{
    error::{Error, ErrorKind, Result},
    xp::{
        extinction::{ExtinctionLaw, G23},
        wavelengths_nm,
    },
};

/// Ratio of total to selective extinction, A(V)/E(B-V).
const RV: f64 = 3.1;

/// Effective wavelengths of 2MASS J, H and Ks in nm (Cohen, Wheaton & Megeath 2003, AJ 126, 1090).
const TWO_MASS_NM: [f64; 3] = [1235.0, 1662.0, 2159.0];

/// Extinctions in magnitudes of a colour excess E(B-V) of 1.
#[derive(Debug, Clone)]
pub struct Dust {
    /// At the samples of a calibrated spectrum.
    samples: Vec<f32>,
    /// In J, H and Ks.
    two_mass: [f64; 3],
}

impl Dust {
    /// The law of Gordon et al. (2023) with R(V) 3.1.
    ///
    /// # Errors
    /// Never for the wavelengths it uses.
    pub fn new() -> Result<Self> {
        let law: &ExtinctionLaw = &G23;
        let at = |nm: f64| {
            let outside = || Error::new(ErrorKind::Input, "a wavelength outside the extinction law").at("nm", nm);
            law.at(nm, RV).map(|a| RV * a).ok_or_else(outside)
        };
        let samples = wavelengths_nm().iter().map(|nm| at(*nm).map(|a| a as f32)).collect::<Result<_>>()?;
        Ok(Self { samples, two_mass: [at(TWO_MASS_NM[0])?, at(TWO_MASS_NM[1])?, at(TWO_MASS_NM[2])?] })
    }

    /// Puts dust of colour excess `ebv` (mag) before a flux; a negative one takes dust away.
    pub fn redden(&self, flux: &mut [f32], ebv: f64) {
        let factor = -0.4 * std::f32::consts::LN_10 * ebv as f32;
        flux.iter_mut().zip(&self.samples).for_each(|(f, a)| *f *= (factor * a).exp());
    }

    /// Extinction in J, H and Ks in mag of a colour excess `ebv` in mag.
    #[must_use]
    pub fn two_mass(&self, ebv: f64) -> [f64; 3] {
        self.two_mass.map(|a| ebv * a)
    }
}
