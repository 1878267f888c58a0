//! Products of 8-bit integers: rows of numbers become bytes by a scale of their own, weights by one for each output.
//!
//! The sums of integers are exact, so that all instruction sets differ by the rounding of what follows them only.

use bytemuck::Zeroable;
use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::vnni;
use super::{
    buffer::Buffer,
    pointwise::coarse_gelu,
    product::{PANEL, Start, padded},
};

/// Inputs that share a scale.
pub const GROUP: usize = 128;
/// Inputs that one instruction takes together.
pub(crate) const QUAD: usize = 4;
/// Rows of a block; the sums of one fill the registers of AVX-512.
const ROWS: usize = 12;

/// Largest integer of a weight.
const LARGEST: f32 = 127.0;
/// Clippings that are tried, in steps of so much.
const CLIPPINGS: usize = 20;
const CLIPPING: f32 = 0.02;

/// Four inputs' weights for each column of a panel.
#[derive(Debug, Clone, Copy, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Quads([[i8; QUAD]; PANEL]);

/// A layer's weights in 8 bits, and its bias; outputs beyond its width are zero.
#[derive(Debug, Clone)]
pub struct Int8Weights {
    groups: Vec<Group>,
    /// `(n)`.
    pub bias: Buffer,
    /// Inputs.
    pub k: usize,
    /// Outputs, in whole panels.
    pub n: usize,
}

/// The weights of up to [`GROUP`] inputs.
#[derive(Debug, Clone)]
struct Group {
    /// `(n / PANEL, steps)`.
    quads: Vec<Quads>,
    steps: usize,
    /// What an integer of each output stands for, `(n)`.
    scales: Buffer,
    /// Sum of each output's weights, `(n)`.
    sums: Buffer,
}

impl Int8Weights {
    /// Rounds `weight` `(outputs, k)`, row-major, with `bias` `(outputs)`.
    #[must_use]
    pub fn pack(weight: &[f32], bias: &[f32], k: usize) -> Self {
        let n = padded(bias.len());
        let mut padded_bias = Buffer::zeros(n);
        padded_bias[..bias.len()].copy_from_slice(bias);
        let groups = (0..k).step_by(GROUP).map(|from| Group::pack(weight, n, k, from..(from + GROUP).min(k)));
        Self { groups: groups.collect(), bias: padded_bias, k, n }
    }
}

/// What an integer stands for, of weights that are rounded by it with the least squared error: clipping the largest ones a
/// little makes the steps of all smaller.
fn unit(weights: &[f32]) -> f32 {
    let most = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
    let error = |unit: f32| -> f32 {
        weights.iter().map(|w| w - (w / unit).round().clamp(-LARGEST, LARGEST) * unit).map(|e| e * e).sum()
    };
    let units = (0..CLIPPINGS).map(|i| most / LARGEST * (1.0 - CLIPPING * i as f32));
    units.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(0.0)
}

impl Group {
    fn pack(weight: &[f32], n: usize, k: usize, inputs: std::ops::Range<usize>) -> Self {
        let steps = inputs.len().div_ceil(QUAD);
        let mut quads = vec![Quads::zeroed(); n / PANEL * steps];
        let (mut scales, mut sums) = (Buffer::zeros(n), Buffer::zeros(n));
        for (j, row) in weight.chunks_exact(k).enumerate() {
            let row = &row[inputs.clone()];
            let scale = unit(row);
            let mut sum = 0;
            for (p, w) in row.iter().enumerate() {
                let rounded = if scale > 0.0 { (w / scale).round().clamp(-127.0, 127.0) as i8 } else { 0 };
                quads[j / PANEL * steps + p / QUAD].0[j % PANEL][p % QUAD] = rounded;
                sum += i32::from(rounded);
            }
            (scales[j], sums[j]) = (scale, sum as f32 * scale);
        }
        Self { quads, steps, scales, sums }
    }
}

/// Rows in 8 bits: each [`GROUP`] of a row has a scale and a lowest value of its own.
#[derive(Debug, Clone, Default)]
pub struct Int8Rows {
    /// `(rows, stride)`, a row in whole quads.
    bytes: Vec<u8>,
    stride: usize,
    /// `(rows, groups)`: what a unit stands for, and what 0 does.
    scales: Vec<[f32; 2]>,
    groups: usize,
    rows: usize,
}

/// Rounds rows to 8 bits.
pub struct Round<'a> {
    /// `(rows, stride)`.
    pub x: &'a [f32],
    /// From a row to the next.
    pub stride: usize,
    /// Rows.
    pub rows: usize,
    /// Numbers of a row.
    pub k: usize,
    /// The rounded rows.
    pub out: &'a mut Int8Rows,
}

impl WithSimd for OnMachine<Round<'_>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Round { x, stride, rows, k, out }, vnni) = self;
        out.stride = k.next_multiple_of(QUAD);
        out.groups = k.div_ceil(GROUP);
        out.rows = rows;
        // What lies beyond a row's end meets weights of zero; it only has to be there.
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

/// Adding it to a number below 2^22 leaves the nearest integer in the low bits.
pub(crate) const ROUNDER: f32 = 8_388_608.0;

/// Gives what a unit and 0 stand for.
#[inline(always)]
fn round<S: Simd>(simd: S, x: &[f32], bytes: &mut [u8], vnni: bool) -> [f32; 2] {
    #[cfg(target_arch = "x86_64")]
    if vnni {
        assert!(x.len() <= bytes.len());
        #[expect(unsafe_code, reason = "instructions beyond those that Rust takes for granted")]
        // SAFETY: the machine has them, and there are as many bytes as numbers.
        return unsafe { vnni::round(x, bytes) };
    }
    let (vectors, rest) = S::as_simd_f32s(x);
    let (mut least, mut most) = (simd.splat_f32s(f32::INFINITY), simd.splat_f32s(f32::NEG_INFINITY));
    // 0, unless a number is none or infinite, which then makes all results so.
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

/// `out (m, columns) = rows (m, inputs) weights (inputs, columns) + start`, through gelu if wanted.
pub struct Int8Product<'a> {
    /// The left factor; all its rows are taken.
    pub rows: &'a Int8Rows,
    /// The right factor.
    pub weights: &'a Int8Weights,
    /// First input, a multiple of [`GROUP`]; as many are taken as the rows have.
    pub first_input: usize,
    /// First column, a multiple of [`PANEL`].
    pub first_column: usize,
    /// Columns, a multiple of [`PANEL`].
    pub columns: usize,
    /// What is added to.
    pub start: Start<'a>,
    /// Whether the result goes through gelu.
    pub gelu: bool,
    /// The result.
    pub out: &'a mut [f32],
    /// From a row of the result to the next.
    pub stride: usize,
}

/// Something to do, and whether the machine has AVX-512 VNNI.
pub(crate) struct OnMachine<T>(pub(crate) T, pub(crate) bool);

impl<'a> Int8Product<'a> {
    /// All of a layer: from all inputs to all outputs and with its bias, into rows of its width.
    #[must_use]
    pub fn layer(rows: &'a Int8Rows, weights: &'a Int8Weights, gelu: bool, out: &'a mut [f32]) -> Self {
        Self {
            rows,
            weights,
            first_input: 0,
            first_column: 0,
            columns: weights.n,
            start: Start::Bias(&weights.bias),
            gelu,
            out,
            stride: weights.n,
        }
    }
}

impl WithSimd for OnMachine<Int8Product<'_>> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self(Int8Product { rows, weights, first_input, first_column, columns, start, gelu, out, stride }, vnni) =
            self;
        assert!(first_input.is_multiple_of(GROUP) && first_column.is_multiple_of(PANEL));
        assert!(columns.is_multiple_of(PANEL) && first_column + columns <= weights.n);
        let groups = &weights.groups[first_input / GROUP..][..rows.groups];
        let inputs: usize = groups.iter().map(|group| group.steps * QUAD).sum();
        assert_eq!(inputs, rows.stride, "the rows and the weights have the same inputs");
        for (nth, group) in groups.iter().enumerate() {
            for j in (0..columns).step_by(PANEL) {
                let column = first_column + j;
                let quads = &group.quads[column / PANEL * group.steps..][..group.steps];
                let mut sums = [[0; PANEL]; ROWS];
                let mut i = 0;
                while i < rows.rows {
                    let bytes = &rows.bytes[i * rows.stride + nth * GROUP..];
                    let block = Sums { bytes, stride: rows.stride, quads, vnni };
                    let count = match rows.rows - i {
                        left if left >= ROWS => block.run::<S, ROWS>(simd, &mut sums),
                        left if left >= 4 => block.run::<S, 4>(simd, &mut sums),
                        _ => block.run::<S, 1>(simd, &mut sums),
                    };
                    simd.vectorize(Finish {
                        sums: &sums[..count],
                        scales: &rows.scales[i * rows.groups + nth..],
                        groups: rows.groups,
                        weights: &group.scales[column..column + PANEL],
                        weight_sums: &group.sums[column..column + PANEL],
                        start: match start {
                            Start::Bias(bias) if nth == 0 => Start::Bias(&bias[j..j + PANEL]),
                            _ => Start::Result,
                        },
                        gelu: gelu && nth + 1 == groups.len(),
                        out: &mut out[i * stride + j..],
                        stride,
                    });
                    i += count;
                }
            }
        }
    }
}

/// The sums of some rows' bytes by the integers of a panel.
struct Sums<'a> {
    /// From the first row's first byte of the group.
    bytes: &'a [u8],
    stride: usize,
    quads: &'a [Quads],
    vnni: bool,
}

impl Sums<'_> {
    /// Gives the number of rows done.
    #[inline(always)]
    fn run<S: Simd, const M: usize>(&self, simd: S, sums: &mut [[i32; PANEL]; ROWS]) -> usize {
        let sums = &mut sums[..M];
        assert!((M - 1) * self.stride + self.quads.len() * QUAD <= self.bytes.len());
        #[cfg(target_arch = "x86_64")]
        if self.vnni {
            #[expect(unsafe_code, reason = "instructions beyond those that Rust takes for granted")]
            // SAFETY: the machine has them, and the rows' bytes were seen to be there.
            unsafe {
                vnni::sums::<M>(self.bytes, self.stride, self.quads, sums);
            }
            return M;
        }
        simd.vectorize(Plain { of: self, sums });
        M
    }
}

/// [`Sums`] in plain code.
struct Plain<'s, 'a> {
    of: &'s Sums<'a>,
    sums: &'s mut [[i32; PANEL]],
}

impl WithSimd for Plain<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (r, sums) in self.sums.iter_mut().enumerate() {
            let mut row = [0; PANEL];
            let bytes = self.of.bytes[r * self.of.stride..].chunks_exact(QUAD);
            for (bytes, quads) in bytes.zip(self.of.quads) {
                for (sum, quad) in row.iter_mut().zip(&quads.0) {
                    for i in 0..QUAD {
                        *sum += i32::from(bytes[i]) * i32::from(quad[i]);
                    }
                }
            }
            *sums = row;
        }
    }
}

/// From sums of integers to numbers.
struct Finish<'a> {
    sums: &'a [[i32; PANEL]],
    /// Of the rows, `groups` apart.
    scales: &'a [[f32; 2]],
    groups: usize,
    /// Of the columns.
    weights: &'a [f32],
    weight_sums: &'a [f32],
    start: Start<'a>,
    gelu: bool,
    out: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (weights, weight_sums) = (S::as_simd_f32s(self.weights).0, S::as_simd_f32s(self.weight_sums).0);
        let rows = self.sums.iter().zip(self.out.chunks_mut(self.stride)).zip(self.scales.iter().step_by(self.groups));
        for ((sums, out), [scale, low]) in rows {
            let mut numbers = [0.0; PANEL];
            for (number, sum) in numbers.iter_mut().zip(sums) {
                *number = *sum as f32;
            }
            let (scale, low) = (simd.splat_f32s(*scale), simd.splat_f32s(*low));
            let out = S::as_mut_simd_f32s(&mut out[..PANEL]).0;
            for (v, out) in out.iter_mut().enumerate() {
                let sum = S::as_simd_f32s(&numbers).0[v];
                let start = match self.start {
                    Start::Bias(bias) => S::as_simd_f32s(bias).0[v],
                    Start::Result => *out,
                };
                let start = simd.mul_add_e_f32s(low, weight_sums[v], start);
                let result = simd.mul_add_e_f32s(simd.mul_f32s(sum, weights[v]), scale, start);
                *out = if self.gelu { coarse_gelu(simd, result) } else { result };
            }
        }
    }
}
