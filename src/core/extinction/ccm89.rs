//! Cardelli, Clayton & Mathis (1989, ApJ 345, 245): a(x) + b(x)/R(V), equations 2 to 5; and O'Donnell's (1994, ApJ 422,
//! 158) coefficients for its optical part.

use super::polynomial;

/// Equation 3a, 3b; highest power of x − 1.82 first.
const CCM89_A: &[f64] = &[0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0];
const CCM89_B: &[f64] = &[-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0];

const O94_A: &[f64] = &[-0.505, 1.647, -0.827, -1.718, 1.137, 0.701, -0.609, 0.104, 1.0];
const O94_B: &[f64] = &[3.347, -10.805, 5.491, 11.102, -7.985, -3.989, 2.908, 1.952, 0.0];

pub(super) fn ccm89(x: f64, rv: f64) -> f64 {
    curve(x, rv, CCM89_A, CCM89_B)
}

pub(super) fn o94(x: f64, rv: f64) -> f64 {
    curve(x, rv, O94_A, O94_B)
}

fn curve(x: f64, rv: f64, optical_a: &[f64], optical_b: &[f64]) -> f64 {
    let (a, b) = if x < 1.1 {
        let y = x.powf(1.61);
        (0.574 * y, -0.527 * y)
    } else if x < 3.3 {
        (polynomial(optical_a, x - 1.82), polynomial(optical_b, x - 1.82))
    } else if x <= 8.0 {
        ultraviolet(x)
    } else {
        let y = x - 8.0;
        (polynomial(&[-0.070, 0.137, -0.628, -1.073], y), polynomial(&[0.374, -0.420, 4.257, 13.670], y))
    };
    a + b / rv
}

fn ultraviolet(x: f64) -> (f64, f64) {
    let y = (x - 5.9).max(0.0);
    let rise_a = -0.04473 * y * y - 0.009_779 * y.powi(3);
    let rise_b = 0.2130 * y * y + 0.1207 * y.powi(3);
    (
        1.752 - 0.316 * x - 0.104 / ((x - 4.67).powi(2) + 0.341) + rise_a,
        -3.090 + 1.825 * x + 1.206 / ((x - 4.62).powi(2) + 0.263) + rise_b,
    )
}
