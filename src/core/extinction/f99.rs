//! Fitzpatrick (1999, PASP 111, 63): the ultraviolet shape is that of Fitzpatrick & Massa; beyond 2700 Å the law is a
//! natural cubic spline in wavenumber through two points of that shape, the optical and infrared anchors of Table 4,
//! and zero at infinity.
//!
//! The constant of the 4110 Å anchor is 1.208, which gives the values of Table 3; Table 4 prints it with a minus sign.

use super::fitzpatrick_massa;

/// Wavelengths of the anchors in µm; the last two are in the ultraviolet.
const ANCHORS: [f64; 8] = [2.65, 1.22, 0.600, 0.547, 0.467, 0.411, 0.270, 0.260];

pub(super) fn f99(x: f64, rv: f64) -> f64 {
    if x >= 1.0 / ANCHORS[6] {
        return ultraviolet(x, rv);
    }
    let mut xs = [0.0; 9];
    for (x, wavelength) in xs[1..].iter_mut().zip(ANCHORS) {
        *x = 1.0 / wavelength;
    }
    let ys = [
        0.0,
        0.265 / 3.1,
        0.829 / 3.1,
        (-0.426 + 1.0044 * rv) / rv,
        (-0.050 + 1.0016 * rv) / rv,
        (0.701 + 1.0016 * rv) / rv,
        (1.208 + 1.0032 * rv - 0.00033 * rv * rv) / rv,
        ultraviolet(xs[7], rv),
        ultraviolet(xs[8], rv),
    ];
    natural_spline(&xs, &ys, x)
}

fn ultraviolet(x: f64, rv: f64) -> f64 {
    let slope = -0.824 + 4.717 / rv;
    fitzpatrick_massa(x, [2.030 - 3.007 * slope, slope, 3.23, 0.41, 4.596, 0.99]) / rv + 1.0
}

/// Returns the value at `x` of the cubic spline through the points (`xs` ascending) with no curvature at either end;
/// `x` is within the points.
fn natural_spline<const N: usize>(xs: &[f64; N], ys: &[f64; N], x: f64) -> f64 {
    let mut curvature = [0.0; N];
    let mut ratio = [0.0; N];
    for i in 1..N - 1 {
        let (before, after) = (xs[i] - xs[i - 1], xs[i + 1] - xs[i]);
        let bend = (ys[i + 1] - ys[i]) / after - (ys[i] - ys[i - 1]) / before;
        let pivot = 2.0 * (before + after) - before * ratio[i - 1];
        ratio[i] = after / pivot;
        curvature[i] = (6.0 * bend - before * curvature[i - 1]) / pivot;
    }
    for i in (1..N - 1).rev() {
        curvature[i] -= ratio[i] * curvature[i + 1];
    }
    let right = xs.partition_point(|v| *v <= x).clamp(1, N - 1);
    let left = right - 1;
    let width = xs[right] - xs[left];
    let (a, b) = ((xs[right] - x) / width, (x - xs[left]) / width);
    let cubic = |t: f64| t * t * t - t;
    a * ys[left] + b * ys[right] + (cubic(a) * curvature[left] + cubic(b) * curvature[right]) * width * width / 6.0
}
