//! Errors of real spectra by magnitude and colour, which simulated spectra take over.

use lamcat_core::error::Result;

use super::carried::Carried;
use crate::xp::XP_LEN;

/// Number of stars nearest in G, and number of those nearest in colour, one of which provides the noise.
const NEAR_IN_G: usize = 20;
const NEAR_IN_COLOUR: usize = 5;

/// The errors of a real star's spectrum.
#[derive(Debug, Clone)]
pub struct SpectrumNoise {
    /// Synthetic G in mag.
    pub g: f64,
    /// Synthetic BP - RP in mag.
    pub bp_rp: f64,
    /// 1-sigma errors of 55 BP, then 55 RP coefficients, divided by the G flux in e⁻ s⁻¹.
    pub errors: Vec<f32>,
    /// Numbers of relevant bases of BP and RP.
    pub relevant: [i16; 2],
}

/// The errors of many real spectra, sorted by G; there is at least one.
#[derive(Debug, Clone)]
pub struct NoiseLibrary(Vec<SpectrumNoise>);

impl NoiseLibrary {
    /// Takes the errors of stars sorted by G.
    pub(super) fn new(stars: Vec<SpectrumNoise>) -> Self {
        Self(stars)
    }

    /// Returns the embedded errors, accurate to 5e-4 of each.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let g = data.floats("field_g", &[0])?;
        let bp_rp = data.floats("field_bp_rp", &[g.len()])?;
        let relevant = data.integers("field_relevant", &[g.len(), 2])?;
        let log_errors = data.scaled_differences("field_log_errors", &[g.len(), XP_LEN])?;
        let star = |i: usize| SpectrumNoise {
            g: f64::from(g[i]),
            bp_rp: f64::from(bp_rp[i]),
            errors: log_errors[i * XP_LEN..(i + 1) * XP_LEN].iter().map(|e| e.exp()).collect(),
            relevant: [relevant[2 * i], relevant[2 * i + 1]],
        };
        Ok(Self((0..g.len()).map(star).collect()))
    }

    /// The stars' errors, sorted by G.
    #[must_use]
    pub fn stars(&self) -> &[SpectrumNoise] {
        &self.0
    }

    /// Returns a star with about this G and BP - RP: `pick` chooses one of the 5 nearest in colour among the 20 nearest
    /// in G.
    #[must_use]
    pub fn like(&self, g: f64, bp_rp: f64, pick: usize) -> &SpectrumNoise {
        let mut start = self.0.partition_point(|s| s.g < g);
        let mut end = start;
        while end - start < NEAR_IN_G.min(self.0.len()) {
            let below = start.checked_sub(1).map_or(f64::INFINITY, |i| g - self.0[i].g);
            let above = self.0.get(end).map_or(f64::INFINITY, |s| s.g - g);
            if below <= above { start -= 1 } else { end += 1 }
        }
        let mut near: Vec<&SpectrumNoise> = self.0[start..end].iter().collect();
        near.sort_by(|a, b| (a.bp_rp - bp_rp).abs().total_cmp(&(b.bp_rp - bp_rp).abs()));
        near[pick % NEAR_IN_COLOUR.min(near.len())]
    }
}
