//! Functions of single numbers and of rows, computed in vectors.

use pulp::{Simd, WithSimd};

/// Below minus this the normal distribution function is 0, and above this it is 1, to f32's precision.
const FAR: f32 = 5.5;
/// `(Phi(x) - 1/2) / x` as a polynomial in `2 (x / FAR)^2 - 1`, of degree 14, from a weighted Chebyshev fit: gelu is
/// within 8e-7 of the exact value for |x| <= 8, and within one unit in the last place of |x| beyond.
const PHI: [f32; 15] = [
    0.128_551_95,
    -0.064_172_365,
    0.047_736_64,
    -0.038_791_027,
    0.032_089_453,
    -0.026_076_417,
    0.020_227_4,
    -0.014_816_475,
    0.010_686_024,
    -0.007_395_584,
    0.003_848_220_5,
    -0.001_483_332_7,
    0.001_359_171_8,
    -0.001_281_064_1,
    0.000_426_505_14,
];

/// The same for |x| <= 4, of degree 6: gelu is within 2e-4 of the exact value, a fraction of the error of 8 bits.
const NEAR: f32 = 4.0;
const NEAR_PHI: [f32; 7] =
    [0.175_970_21, -0.084_426_62, 0.055_410_19, -0.035_462_342, 0.024_091_054, -0.016_550_897, 0.005_972_031_5];

/// Returns the larger of both; NaN stays NaN.
#[inline(always)]
fn at_least<S: Simd>(simd: S, x: S::f32s, low: S::f32s) -> S::f32s {
    simd.select_f32s(simd.less_than_f32s(x, low), low, x)
}

/// gelu in its erf form, `x Phi(x)`.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    gelu_within(simd, x, FAR, &PHI)
}

/// [`gelu`] with an error of at most 2e-4.
#[inline(always)]
pub(crate) fn coarse_gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    gelu_within(simd, x, NEAR, &NEAR_PHI)
}

#[inline(always)]
fn gelu_within<S: Simd, const N: usize>(simd: S, x: S::f32s, far: f32, phi: &[f32; N]) -> S::f32s {
    let (low, high) = (simd.splat_f32s(-far), simd.splat_f32s(far));
    let factor = at_least(simd, x, low);
    let near = simd.select_f32s(simd.less_than_f32s(high, factor), high, factor);
    let u = simd.mul_add_e_f32s(simd.mul_f32s(near, near), simd.splat_f32s(2.0 / (far * far)), simd.splat_f32s(-1.0));
    let mut sum = simd.splat_f32s(phi[N - 1]);
    for c in phi[..N - 1].iter().rev() {
        sum = simd.mul_add_e_f32s(sum, u, simd.splat_f32s(*c));
    }
    simd.mul_f32s(factor, simd.mul_add_e_f32s(sum, near, simd.splat_f32s(0.5)))
}

/// Adding this rounds a small number to an integer, stored in the low bits with the exponent's bias on top.
const ROUNDER: f32 = 12_582_912.0 + 127.0;
/// Below this the result would leave f32's normal range.
const SMALLEST: f32 = -126.0;
/// `2^r` for `|r| <= 1/2`, highest power first: the polynomial of degree 5 with the smallest relative error, 9e-8.
#[expect(clippy::approx_constant, reason = "fitted with the others: near ln 2, not it")]
const POWER: [f32; 6] = [0.001_326_472_7, 0.009_671_513, 0.055_507_336, 0.240_222_42, 0.693_147, 1.0];

/// `2^x` for `x` up to 127, to 2 units in the last place; an `x` below -126 counts as -126.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let splat = |value| simd.splat_f32s(value);
    let x = at_least(simd, x, splat(SMALLEST));
    let shifted = simd.add_f32s(x, splat(ROUNDER));
    let r = simd.sub_f32s(x, simd.sub_f32s(shifted, splat(ROUNDER)));
    let mut p = splat(POWER[0]);
    for c in &POWER[1..] {
        p = simd.mul_add_e_f32s(p, r, splat(*c));
    }
    let power = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.mul_f32s(p, simd.transmute_f32s_u32s(power))
}

/// `gelu(scale value + bias)`: the embedding of a token; `(width)` is a whole number of vectors.
pub struct Embed<'a> {
    /// `(width)`.
    pub scale: &'a [f32],
    /// `(width)`.
    pub bias: &'a [f32],
    /// The token's value, standardised.
    pub value: f32,
    /// `(width)`.
    pub out: &'a mut [f32],
}

impl WithSimd for Embed<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (scale, bias) = (S::as_simd_f32s(self.scale).0, S::as_simd_f32s(self.bias).0);
        let value = simd.splat_f32s(self.value);
        for ((out, scale), bias) in S::as_mut_simd_f32s(self.out).0.iter_mut().zip(scale).zip(bias) {
            *out = gelu(simd, simd.mul_add_e_f32s(*scale, value, *bias));
        }
    }
}

/// Layer norm of the rows of `x + residual`, `(rows, width)`, written to `x`.
pub struct AddAndNorm<'a> {
    /// `(rows, width)`.
    pub x: &'a mut [f32],
    /// `(rows, width)`.
    pub residual: &'a [f32],
    /// `(width)`.
    pub weight: &'a [f32],
    /// `(width)`.
    pub bias: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

impl WithSimd for AddAndNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.weight.len();
        let (weight, bias) = (S::as_simd_f32s(self.weight).0, S::as_simd_f32s(self.bias).0);
        let share = 1.0 / width as f32;
        for (x, residual) in self.x.chunks_exact_mut(width).zip(self.residual.chunks_exact(width)) {
            let x = S::as_mut_simd_f32s(x).0;
            let mut sum = simd.splat_f32s(0.0);
            for (x, r) in x.iter_mut().zip(S::as_simd_f32s(residual).0) {
                *x = simd.add_f32s(*x, *r);
                sum = simd.add_f32s(sum, *x);
            }
            let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) * share);
            let mut squares = simd.splat_f32s(0.0);
            for x in x.iter_mut() {
                *x = simd.sub_f32s(*x, mean);
                squares = simd.mul_add_e_f32s(*x, *x, squares);
            }
            let variance = simd.reduce_sum_f32s(squares) * share;
            let factor = simd.splat_f32s(1.0 / (variance + self.epsilon).sqrt());
            for ((x, w), b) in x.iter_mut().zip(weight).zip(bias) {
                *x = simd.mul_add_e_f32s(simd.mul_f32s(*x, factor), *w, *b);
            }
        }
    }
}
