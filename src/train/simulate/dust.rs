//! Interstellar dust: Fitzpatrick (1999, PASP 111, 63), with an R(V) of its own before every star.

use rand::Rng;

use super::labels::normal;
use crate::{
    error::{Error, ErrorKind, Result},
    xp::{
        extinction::{ExtinctionLaw, F99},
        wavelengths_nm,
    },
};

/// Ratio of total to selective extinction, A(V)/E(B-V), of the diffuse medium.
const RV: f64 = 3.1;
/// Its spread over the Milky Way's dust (Schlafly et al. 2016, ApJ 821, 78).
const RV_SPREAD: f64 = 0.18;
/// The step of R(V) over which the law's slope is taken. Between 2.5 and 3.7 it is linear in R(V) to 0.01 mag of A/E(B-V).
const RV_STEP: f64 = 0.2;

/// Effective wavelengths of 2MASS J, H and Ks in nm (Cohen, Wheaton & Megeath 2003, AJ 126, 1090).
const TWO_MASS_NM: [f64; 3] = [1235.0, 1662.0, 2159.0];

/// Extinctions in magnitudes of a colour excess E(B-V) of 1.
#[derive(Debug, Clone)]
pub struct Dust {
    /// At the samples of a calibrated spectrum.
    samples: Vec<PerExcess>,
    /// In J, H and Ks.
    two_mass: [PerExcess; 3],
}

/// A(λ)/E(B-V) with R(V) 3.1, and what it grows by with R(V).
#[derive(Debug, Clone, Copy)]
struct PerExcess {
    usual: f64,
    slope: f64,
}

impl PerExcess {
    fn at(self, beyond: f64) -> f64 {
        self.usual + beyond * self.slope
    }
}

/// The dust before a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cloud {
    /// Colour excess E(B-V) in mag; a negative one takes dust away.
    pub ebv: f64,
    /// A(V)/E(B-V) less 3.1.
    beyond: f64,
}

impl Cloud {
    /// Usual dust of a colour excess in mag.
    #[must_use]
    pub fn usual(ebv: f64) -> Self {
        Self { ebv, beyond: 0.0 }
    }

    /// Dust of a colour excess in mag, with an R(V) that is drawn, within three standard deviations.
    pub(super) fn draw(ebv: f64, rng: &mut impl Rng) -> Self {
        Self { ebv, beyond: RV_SPREAD * normal(rng).clamp(-3.0, 3.0) }
    }
}

impl Dust {
    /// The law of Fitzpatrick (1999).
    ///
    /// # Errors
    /// Never for the wavelengths it uses.
    pub fn new() -> Result<Self> {
        let law: &ExtinctionLaw = &F99;
        let at = |nm: f64, rv: f64| {
            let outside = || Error::new(ErrorKind::Input, "a wavelength outside the extinction law").at("nm", nm);
            law.at(nm, rv).map(|a| rv * a).ok_or_else(outside)
        };
        let per_excess = |nm: f64| {
            let slope = (at(nm, RV + RV_STEP)? - at(nm, RV - RV_STEP)?) / (2.0 * RV_STEP);
            Ok::<_, Error>(PerExcess { usual: at(nm, RV)?, slope })
        };
        let samples = wavelengths_nm().iter().map(|nm| per_excess(*nm)).collect::<Result<_>>()?;
        let [j, h, k] = TWO_MASS_NM.map(per_excess);
        Ok(Self { samples, two_mass: [j?, h?, k?] })
    }

    /// Puts dust before a flux.
    pub fn redden(&self, flux: &mut [f32], cloud: Cloud) {
        let factor = -0.4 * std::f64::consts::LN_10 * cloud.ebv;
        flux.iter_mut().zip(&self.samples).for_each(|(f, a)| *f *= ((factor * a.at(cloud.beyond)) as f32).exp());
    }

    /// Extinction in J, H and Ks in mag.
    #[must_use]
    pub fn two_mass(&self, cloud: Cloud) -> [f64; 3] {
        self.two_mass.map(|a| cloud.ebv * a.at(cloud.beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_of_other_ratios_are_the_laws_own() {
        let dust = Dust::new().unwrap();
        for rv in [RV - 3.0 * RV_SPREAD, RV, RV + 3.0 * RV_SPREAD] {
            for (sample, nm) in dust.samples.iter().zip(wavelengths_nm()) {
                let law = rv * F99.at(*nm, rv).unwrap();
                assert!((sample.at(rv - RV) - law).abs() < 0.01, "{nm} nm, {rv}: {} for {law}", sample.at(rv - RV));
            }
        }
    }
}
