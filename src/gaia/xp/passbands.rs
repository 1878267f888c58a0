//! The passbands of synthetic photometry (Gaia Collaboration, Montegriffo et al. 2023, A&A 674, A33).

use std::sync::LazyLock;

use super::{
    bands::XP_LEN,
    tables::{number, numbers, records},
};

/// System of the bands that are named without a system: G, BP and RP.
const GAIA: &str = "GaiaDr3Vega";

/// A passband, with the data to compute its flux and magnitude from XP coefficients.
#[derive(Debug)]
pub struct Passband {
    /// Photometric system, e.g. `JkcStd`.
    pub system: &'static str,
    /// Name within its system, e.g. `V`.
    pub band: &'static str,
    /// Unit of the flux (VOUnit): per nm for Vega systems, per Hz for AB systems.
    pub unit: &'static str,
    /// Magnitude of a flux of 1.
    pub zero_point: f64,
    /// Offset that standardisation adds to the flux.
    pub(super) offset: f64,
    /// Flux of a coefficient of 1 for each basis function, BP then RP.
    pub(super) weights: &'static [f64],
    pub(super) colour_equation: Option<ColourEquation>,
}

/// A correction of the magnitude by a polynomial in a colour, for the ultraviolet bands of standardised systems.
#[derive(Debug)]
pub(super) struct ColourEquation {
    colour: [&'static str; 2],
    /// Beyond this range the correction is continued linearly.
    range: [f64; 2],
    coefficients: Vec<f64>,
}

static PASSBANDS: LazyLock<Vec<Passband>> = LazyLock::new(|| {
    static WEIGHTS: LazyLock<Vec<f64>> = LazyLock::new(|| numbers(include_bytes!("tables/passbands.bin")));
    records(include_str!("tables/passbands.csv"))
        .zip(WEIGHTS.chunks_exact(XP_LEN))
        .map(|(record, weights)| Passband {
            system: record[0],
            band: record[1],
            unit: record[2],
            zero_point: number(&record, 3),
            offset: number(&record, 4),
            weights,
            colour_equation: colour_equation(record[0], record[1]),
        })
        .collect()
});

fn colour_equation(system: &str, band: &str) -> Option<ColourEquation> {
    let record =
        records(include_str!("tables/colour_equations.csv")).find(|record| record[0] == system && record[1] == band)?;
    Some(ColourEquation {
        colour: [record[2], record[3]],
        range: [number(&record, 4), number(&record, 5)],
        coefficients: (6..record.len()).map(|i| number(&record, i)).collect(),
    })
}

/// Every passband; those of one system are adjacent.
#[must_use]
pub fn passbands() -> &'static [Passband] {
    &PASSBANDS
}

/// Returns the passband with this name: `G`, `BP`, `RP` of Gaia DR3 (Vega), or system and band joined by `_`, e.g.
/// `JkcStd_V`; upper and lower case are equivalent. Pan-STARRS bands are also found without their `p`:
/// `Panstarrs1Std_i`.
#[must_use]
pub fn passband(name: &str) -> Option<&'static Passband> {
    let (system, band) = name.split_once('_').unwrap_or((GAIA, name));
    let is_band = |p: &Passband| {
        let short = p.band.strip_suffix('p').filter(|_| p.system.starts_with("Panstarrs1"));
        p.band.eq_ignore_ascii_case(band) || short.is_some_and(|b| b.eq_ignore_ascii_case(band))
    };
    passbands().iter().find(|p| p.system.eq_ignore_ascii_case(system) && is_band(p))
}

/// The G band of Gaia DR3, Vega magnitudes.
#[must_use]
pub fn gaia_g() -> &'static Passband {
    static G: LazyLock<usize> =
        LazyLock::new(|| passbands().iter().position(|p| p.system == GAIA && p.band == "G").unwrap_or_default());
    &passbands()[*G]
}

impl Passband {
    /// Full name, e.g. `JkcStd_V`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}_{}", self.system, self.band)
    }

    /// Returns the two bands of the colour that corrects this one.
    pub(super) fn colour_bands(&self) -> Option<(&ColourEquation, [&'static Passband; 2])> {
        let equation = self.colour_equation.as_ref()?;
        let sibling = |band: &str| passbands().iter().find(|p| p.system == self.system && p.band == band);
        Some((equation, [sibling(equation.colour[0])?, sibling(equation.colour[1])?]))
    }
}

impl ColourEquation {
    /// Returns the correction that is added to the magnitude of a source with this colour.
    pub(super) fn correction(&self, colour: f64) -> f64 {
        let limit = colour.clamp(self.range[0], self.range[1]);
        self.polynomial(limit) + self.slope(limit) * (colour - limit)
    }

    fn polynomial(&self, colour: f64) -> f64 {
        self.coefficients.iter().rev().fold(0.0, |sum, c| sum * colour + c)
    }

    /// Returns the derivative of the polynomial, also outside its range.
    pub(super) fn slope(&self, colour: f64) -> f64 {
        let terms = self.coefficients.iter().enumerate().skip(1).rev();
        terms.fold(0.0, |sum, (n, c)| sum * colour + n as f64 * c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_complete() {
        assert_eq!(passbands().len(), 295);
        assert_eq!(include_bytes!("tables/passbands.bin").len(), 295 * XP_LEN * 8);
        for p in passbands() {
            assert!(p.weights.iter().all(|w| w.is_finite()) && p.zero_point.is_finite() && p.offset.is_finite());
            assert!(std::ptr::eq(passband(&p.name()).unwrap(), p), "{}", p.name());
            assert_eq!(p.colour_bands().is_some(), ["JkcStd_U", "SdssStd_u"].contains(&p.name().as_str()));
        }
        assert!((gaia_g().zero_point + 26.4899).abs() < 1e-4);
    }

    #[test]
    fn a_name_is_found_in_any_case_and_without_its_system_for_gaia() {
        assert_eq!(passband("bp").map(Passband::name).as_deref(), Some("GaiaDr3Vega_BP"));
        assert_eq!(passband("jkcstd_v").map(Passband::name).as_deref(), Some("JkcStd_V"));
        assert_eq!(passband("Panstarrs1Std_i").map(Passband::name).as_deref(), Some("Panstarrs1Std_ip"));
        assert!(passband("V").is_none() && passband("").is_none() && passband("JkcStd_").is_none());
    }

    #[test]
    fn a_colour_equation_goes_on_linearly_beyond_its_range() {
        let (equation, [b, v]) = passband("JkcStd_U").unwrap().colour_bands().unwrap();
        assert_eq!((b.band, v.band), ("B", "V"));
        let (low, step) = (equation.range[0], 0.1);
        let tangent = equation.polynomial(low) - step * equation.slope(low);
        assert!((equation.correction(low - step) - tangent).abs() < 1e-12);
        let inside = 0.7;
        assert!((equation.correction(inside) - equation.polynomial(inside)).abs() < 1e-12);
        let numeric = (equation.polynomial(inside + 1e-6) - equation.polynomial(inside - 1e-6)) / 2e-6;
        assert!((equation.slope(inside) - numeric).abs() < 1e-6);
    }
}
