//! Interstellar extinction laws of the Milky Way: A(λ)/A(V) as a function of wavelength and R(V).

mod ccm89;
mod f99;
mod g23;

use ccm89::{ccm89, o94};
use f99::f99;
use g23::g23;

/// An extinction law and the range for which it was determined.
#[derive(Debug)]
pub struct ExtinctionLaw {
    /// Usual short name, e.g. `F99`.
    pub name: &'static str,
    /// Shortest and longest wavelength in nm.
    pub wavelength_nm: (f64, f64),
    /// Smallest and largest R(V).
    pub rv: (f64, f64),
    /// A(x)/A(V) as a function of wavenumber x in µm⁻¹ and R(V).
    curve: fn(f64, f64) -> f64,
}

const OPTICAL: (f64, f64) = (100.0, 1000.0 / 0.3);

/// Cardelli, Clayton & Mathis (1989, ApJ 345, 245).
pub static CCM89: ExtinctionLaw = ExtinctionLaw { name: "CCM89", wavelength_nm: OPTICAL, rv: (2.0, 6.0), curve: ccm89 };

/// Cardelli, Clayton & Mathis (1989) with the optical coefficients of O'Donnell (1994, ApJ 422, 158).
pub static O94: ExtinctionLaw = ExtinctionLaw { name: "O94", wavelength_nm: OPTICAL, rv: (2.0, 6.0), curve: o94 };

/// Fitzpatrick (1999, PASP 111, 63).
pub static F99: ExtinctionLaw = ExtinctionLaw { name: "F99", wavelength_nm: OPTICAL, rv: (2.0, 6.0), curve: f99 };

/// Gordon et al. (2023, ApJ 950, 86).
pub static G23: ExtinctionLaw =
    ExtinctionLaw { name: "G23", wavelength_nm: (91.2, 32_000.0), rv: (2.3, 5.6), curve: g23 };

impl ExtinctionLaw {
    /// Returns A(λ)/A(V) at a wavelength in nm (in vacuum) and R(V); `None` outside the law's range.
    #[must_use]
    pub fn at(&self, wavelength_nm: f64, rv: f64) -> Option<f64> {
        let inside = |x: f64, (low, high): (f64, f64)| x >= low && x <= high;
        (inside(wavelength_nm, self.wavelength_nm) && inside(rv, self.rv))
            .then(|| (self.curve)(1000.0 / wavelength_nm, rv))
    }
}

/// Returns the value of a polynomial, highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}

/// E(x−V)/E(B−V) in the ultraviolet: a line, the 2175 Å bump and the far-UV rise (Fitzpatrick & Massa 1990, ApJS 72,
/// 163). The parameters are c1, c2, c3, c4, and the centre and width of the bump.
fn fitzpatrick_massa(x: f64, [c1, c2, c3, c4, centre, width]: [f64; 6]) -> f64 {
    let squared = x * x;
    let bump = squared / ((squared - centre * centre).powi(2) + squared * width * width);
    let rise = (x - 5.9).max(0.0);
    c1 + c2 * x + c3 * bump + c4 * (0.5392 * rise * rise + 0.05644 * rise.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_is_about_one_in_v_and_ends_with_its_range() {
        for law in [&CCM89, &O94, &F99, &G23] {
            for rv in [law.rv.0, 3.1, law.rv.1] {
                let v = law.at(548.0, rv).unwrap();
                assert!((v - 1.0).abs() < 0.05, "{} {rv}: {v}", law.name);
                for end in [law.wavelength_nm.0, law.wavelength_nm.1] {
                    assert!(law.at(end, rv).is_some_and(f64::is_finite), "{} {end}", law.name);
                }
                assert_eq!(law.at(law.wavelength_nm.0 * 0.999, rv), None);
                assert_eq!(law.at(law.wavelength_nm.1 * 1.001, rv), None);
            }
            assert_eq!(law.at(550.0, law.rv.0 - 0.01), None);
            assert_eq!(law.at(550.0, law.rv.1 + 0.01), None);
            assert_eq!(law.at(f64::NAN, 3.1), None);
            assert_eq!(law.at(550.0, f64::NAN), None);
        }
    }
}
