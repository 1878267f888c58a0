//! Numbers in 8 bits: rows are rounded to bytes with scales of their own, weights to integers with one scale for each
//! output.

use bytemuck::Zeroable;
use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::vnni;
use super::{
    buffer::Buffer,
    int8_part::{QUAD, Quads, ROUNDER},
    machine::WithVnni,
    product::{PANEL, padded},
};

/// Inputs that share a scale.
pub const GROUP: usize = 128;
/// Largest integer that represents a weight.
const LARGEST: f32 = 127.0;

/// A layer's weights in 8 bits, and its bias; padded outputs beyond its width are zero.
#[derive(Debug, Clone)]
pub struct Int8Weights {
    pub(crate) groups: Vec<Group>,
    /// `(n)`.
    pub bias: Buffer,
    /// Number of inputs.
    pub k: usize,
    /// Number of outputs, rounded up to whole panels.
    pub n: usize,
}

/// The weights of up to [`GROUP`] inputs.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// `(n / PANEL, steps)`.
    pub(crate) quads: Vec<Quads>,
    pub(crate) steps: usize,
    /// The value of one integer step for each output, `(n)`.
    pub(crate) scales: Buffer,
    /// Sum of each output's weights, `(n)`.
    pub(crate) sums: Buffer,
}

impl Int8Weights {
    /// Rounds `weight` `(outputs, k)`, row-major, and packs it with `bias` `(outputs)`.
    #[must_use]
    pub fn pack(weight: &[f32], bias: &[f32], k: usize) -> Self {
        let n = padded(bias.len());
        let mut padded_bias = Buffer::zeros(n);
        padded_bias[..bias.len()].copy_from_slice(bias);
        let groups = (0..k).step_by(GROUP).map(|from| Group::pack(weight, n, k, from..(from + GROUP).min(k)));
        Self { groups: groups.collect(), bias: padded_bias, k, n }
    }
}

impl Group {
    fn pack(weight: &[f32], n: usize, k: usize, inputs: std::ops::Range<usize>) -> Self {
        let steps = inputs.len().div_ceil(QUAD);
        let mut quads = vec![Quads::zeroed(); n / PANEL * steps];
        let (mut scales, mut sums) = (Buffer::zeros(n), Buffer::zeros(n));
        for (j, row) in weight.chunks_exact(k).enumerate() {
            let row = &row[inputs.clone()];
            let scale = row.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / LARGEST;
            let mut sum = 0;
            for (p, w) in row.iter().enumerate() {
                let rounded = if scale > 0.0 { (w / scale).round() as i8 } else { 0 };
                quads[j / PANEL * steps + p / QUAD].0[j % PANEL][p % QUAD] = rounded;
                sum += i32::from(rounded);
            }
            (scales[j], sums[j]) = (scale, sum as f32 * scale);
        }
        Self { quads, steps, scales, sums }
    }
}

/// Rows in 8 bits: each [`GROUP`] of a row has its own scale and minimum.
#[derive(Debug, Clone, Default)]
pub struct Int8Rows {
    /// `(rows, stride)`; a row is a whole number of quads.
    pub(crate) bytes: Vec<u8>,
    pub(crate) stride: usize,
    /// `(rows, groups)`: the scale (the value of one step) and the value of byte 0.
    pub(crate) scales: Vec<[f32; 2]>,
    pub(crate) groups: usize,
    pub(crate) rows: usize,
}

/// Rounds rows to 8 bits.
pub struct Round<'a> {
    /// `(rows, stride)`.
    pub x: &'a [f32],
    /// Distance between the starts of two rows.
    pub stride: usize,
    /// Number of rows.
    pub rows: usize,
    /// Numbers per row.
    pub k: usize,
    /// The rounded rows.
    pub out: &'a mut Int8Rows,
}

impl WithSimd for WithVnni<Round<'_>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Round { x, stride, rows, k, out }, vnni) = self;
        out.stride = k.next_multiple_of(QUAD);
        out.groups = k.div_ceil(GROUP);
        out.rows = rows;
        // The bytes beyond a row's end are multiplied by zero weights; they only have to exist.
        if out.bytes.len() < rows * out.stride {
            out.bytes.resize(rows * out.stride, 0);
        }
        out.scales.clear();
        for (row, bytes) in x.chunks(stride).zip(out.bytes.chunks_exact_mut(out.stride)).take(rows) {
            for (x, bytes) in row[..k].chunks(GROUP).zip(bytes.chunks_mut(GROUP)) {
                out.scales.push(round(simd, x, bytes, vnni));
            }
        }
    }
}

/// Returns the value of one step and the value of byte 0.
#[inline(always)]
fn round<S: Simd>(simd: S, x: &[f32], bytes: &mut [u8], vnni: bool) -> [f32; 2] {
    #[cfg(target_arch = "x86_64")]
    if vnni {
        assert!(x.len() <= bytes.len());
        #[expect(unsafe_code, reason = "instructions beyond those that Rust takes for granted")]
        // SAFETY: the machine has AVX-512, and there are as many bytes as numbers.
        return unsafe { vnni::round(x, bytes) };
    }
    let (vectors, rest) = S::as_simd_f32s(x);
    let (mut least, mut most) = (simd.splat_f32s(f32::INFINITY), simd.splat_f32s(f32::NEG_INFINITY));
    // This is 0 unless a number is NaN or infinite, which then turns all results into NaN.
    let mut odd = simd.splat_f32s(0.0);
    for x in vectors {
        least = simd.min_f32s(*x, least);
        most = simd.max_f32s(*x, most);
        odd = simd.mul_add_e_f32s(*x, simd.splat_f32s(0.0), odd);
    }
    let (mut least, mut most, mut odd) =
        (simd.reduce_min_f32s(least), simd.reduce_max_f32s(most), simd.reduce_sum_f32s(odd));
    for x in rest {
        (least, most, odd) = (least.min(*x), most.max(*x), odd + x * 0.0);
    }
    let scale = (most - least) / 255.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let (low, factor) = (simd.splat_f32s(least), simd.splat_f32s(inverse));
    let (out, out_rest) = bytes.split_at_mut(vectors.len() * S::F32_LANES);
    for (x, out) in vectors.iter().zip(out.chunks_exact_mut(S::F32_LANES)) {
        let shifted = simd.mul_add_e_f32s(simd.sub_f32s(*x, low), factor, simd.splat_f32s(ROUNDER));
        let mut bits = simd.transmute_u32s_f32s(shifted);
        let bits: &[u32] = bytemuck::cast_slice(std::slice::from_mut(&mut bits));
        for (out, bits) in out.iter_mut().zip(bits) {
            *out = *bits as u8;
        }
    }
    for (x, out) in rest.iter().zip(out_rest) {
        *out = ((x - least) * inverse + ROUNDER).to_bits() as u8;
    }
    [scale, least + odd]
}
