//! Interstellar dust: an extinction law, optionally with a different R(V) for every star.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    extinction::{ExtinctionLaw, F99, G23},
};
use rand::Rng;

use super::labels::normal;
use crate::xp::wavelengths_nm;

/// Ratio of total to selective extinction, A(V)/E(B-V), of the diffuse medium.
const RV: f64 = 3.1;
/// The step of R(V) for the slope of the law. Between 2.5 and 3.7 A/E(B-V) is linear in R(V) to 0.02 mag.
const RV_STEP: f64 = 0.2;
/// Draws of R(V) that deviate by more than this many standard deviations are clipped.
const FAR: f64 = 3.0;

/// Effective wavelengths of 2MASS J, H and Ks in nm (Cohen, Wheaton & Megeath 2003, AJ 126, 1090).
const TWO_MASS_NM: [f64; 3] = [1235.0, 1662.0, 2159.0];

/// A law of extinction for simulated stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum DustLaw {
    /// Gordon et al. (2023, ApJ 950, 86).
    #[default]
    G23,
    /// Fitzpatrick (1999, PASP 111, 63).
    F99,
}

impl DustLaw {
    fn law(self) -> &'static ExtinctionLaw {
        match self {
            Self::G23 => &G23,
            Self::F99 => &F99,
        }
    }
}

/// The dust in front of simulated stars.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DustKind {
    /// Its extinction law.
    pub law: DustLaw,
    /// Standard deviation of R(V) about 3.1, at most 0.2; that of the Milky Way's dust is 0.18 (Schlafly et al. 2016, ApJ 821,
    /// 78).
    pub rv_spread: f64,
}

/// Extinctions in magnitudes for a colour excess E(B-V) of 1.
#[derive(Debug, Clone)]
pub struct Dust {
    rv_spread: f64,
    /// Extinctions at the samples of a calibrated spectrum.
    samples: Vec<PerExcess>,
    /// Extinctions in J, H and Ks.
    two_mass: [PerExcess; 3],
}

/// A(λ)/E(B-V) for R(V) 3.1, and its slope with R(V).
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

/// The dust in front of a star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cloud {
    /// Colour excess E(B-V) in mag; a negative value removes dust.
    pub ebv: f64,
    /// A(V)/E(B-V) minus 3.1.
    beyond: f64,
}

impl Cloud {
    /// Returns dust with a colour excess in mag and the usual R(V).
    #[must_use]
    pub fn usual(ebv: f64) -> Self {
        Self { ebv, beyond: 0.0 }
    }
}

impl Dust {
    /// Computes the extinctions for a kind of dust.
    ///
    /// # Errors
    /// If R(V) spreads further than the linear approximation is accurate.
    pub fn new(kind: DustKind) -> Result<Self> {
        if !(0.0..=0.2).contains(&kind.rv_spread) {
            return Err(
                Error::new(ErrorKind::Input, "the spread of R(V) is not within 0 and 0.2").at("spread", kind.rv_spread)
            );
        }
        let law = kind.law.law();
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
        Ok(Self { rv_spread: kind.rv_spread, samples, two_mass: [j?, h?, k?] })
    }

    /// Returns dust with a colour excess in mag; its R(V) is drawn if there is a spread.
    pub(super) fn cloud(&self, ebv: f64, rng: &mut impl Rng) -> Cloud {
        let beyond = if self.rv_spread > 0.0 { self.rv_spread * normal(rng).clamp(-FAR, FAR) } else { 0.0 };
        Cloud { ebv, beyond }
    }

    /// Applies the extinction to a flux.
    pub fn redden(&self, flux: &mut [f32], cloud: Cloud) {
        let factor = -0.4 * std::f32::consts::LN_10 * cloud.ebv as f32;
        flux.iter_mut().zip(&self.samples).for_each(|(f, a)| *f *= (factor * a.at(cloud.beyond) as f32).exp());
    }

    /// Returns the extinction in J, H and Ks in mag.
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
        for law in [DustLaw::F99, DustLaw::G23] {
            let dust = Dust::new(DustKind { law, rv_spread: 0.2 }).unwrap();
            for rv in [2.5, RV, 3.7] {
                for (sample, nm) in dust.samples.iter().zip(wavelengths_nm()) {
                    let (got, law) = (sample.at(rv - RV), rv * law.law().at(*nm, rv).unwrap());
                    assert!((got - law).abs() < 0.02, "{nm} nm, {rv}: {got} for {law}");
                }
            }
        }
    }
}
