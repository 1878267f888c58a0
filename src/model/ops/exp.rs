//! The exponential function in a form that the compiler can vectorise.

/// Below this the result would leave f32's normal range.
pub(super) const SMALLEST: f32 = -87.0;
/// Adding this rounds a small number to an integer, stored in the low bits.
const ROUNDER: f32 = 12_582_912.0;
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// `e^x` for `x` in [[`SMALLEST`], 88], to 2 units in the last place (Cephes' `expf`); a smaller `x` counts as
/// [`SMALLEST`].
#[inline]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x > SMALLEST { x } else { SMALLEST };
    let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let p = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1)
        * r
        + 0.5;
    let power = (shifted.to_bits() as i32 - ROUNDER.to_bits() as i32 + 127) << 23;
    (p * r * r + r + 1.0) * f32::from_bits(power as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        for i in 0..=17_500 {
            let x = -87.0 + i as f32 * 0.01;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "exp({x}) = {} for {exact}", exp(x));
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
    }
}
