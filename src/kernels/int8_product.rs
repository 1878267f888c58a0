//! Products of 8-bit integers.
//!
//! The sums of integers are exact, so results of different instruction sets differ only by the rounding of the later
//! steps.

use pulp::{Simd, WithSimd};

#[cfg(target_arch = "x86_64")]
use super::vnni;
use super::{
    int8::{GROUP, Group, Int8Rows, Int8Weights},
    int8_part::{Panels, Part, QUAD},
    machine::WithVnni,
    pointwise::coarse_gelu,
    product::{PANEL, Start},
};

/// Groups of inputs that are processed together: a panel of them fits into the first-level cache.
const SWEEP: usize = 8;
/// Rows of a block; the sums of one block fill the registers of AVX-512.
const ROWS: usize = 12;

/// `out (m, columns) = rows (m, inputs) weights (inputs, columns) + start`, optionally followed by gelu.
pub struct Int8Product<'a> {
    /// The left factor; all its rows are used.
    pub rows: &'a Int8Rows,
    /// The right factor.
    pub weights: &'a Int8Weights,
    /// First input, a multiple of [`GROUP`]; the number of inputs is that of the rows.
    pub first_input: usize,
    /// First column, a multiple of [`PANEL`].
    pub first_column: usize,
    /// Number of columns, a multiple of [`PANEL`].
    pub columns: usize,
    /// The initial value of the result, to which the product is added.
    pub start: Start<'a>,
    /// Whether the result goes through gelu.
    pub gelu: bool,
    /// The result.
    pub out: &'a mut [f32],
    /// Distance between the starts of two rows of the result.
    pub stride: usize,
}

impl<'a> Int8Product<'a> {
    /// Returns the product of a whole layer: from all inputs to all outputs, with its bias, into rows of its width.
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

impl WithSimd for WithVnni<Int8Product<'_>> {
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
        for (nth, groups) in groups.chunks(SWEEP).enumerate() {
            let first_group = nth * SWEEP;
            let last = first_group + groups.len() == rows.groups;
            for j in (0..columns).step_by(PANEL) {
                let start = match start {
                    Start::Zero if nth == 0 => Start::Bias(&[0.0; PANEL]),
                    Start::Bias(bias) if nth == 0 => Start::Bias(&bias[j..j + PANEL]),
                    _ => Start::Result,
                };
                let column = first_column + j;
                let mut i = 0;
                while i < rows.rows {
                    let block = Block { rows, first: i, groups, first_group, column, vnni };
                    let finish = Finish { start, gelu: gelu && last, out: &mut out[i * stride + j..], stride };
                    i += match rows.rows - i {
                        left if left >= ROWS => block.run::<S, ROWS>(simd, finish),
                        left if left >= 4 => block.run::<S, 4>(simd, finish),
                        _ => block.run::<S, 1>(simd, finish),
                    };
                }
            }
        }
    }
}

/// The product of some rows and a panel, over some groups of inputs.
#[derive(Clone, Copy)]
struct Block<'a> {
    rows: &'a Int8Rows,
    /// First row.
    first: usize,
    groups: &'a [Group],
    /// The index of the first group among all groups of the rows.
    first_group: usize,
    /// First column of the panel.
    column: usize,
    vnni: bool,
}

/// The steps that follow the sums of a block.
struct Finish<'a> {
    start: Start<'a>,
    gelu: bool,
    out: &'a mut [f32],
    stride: usize,
}

impl<'a> Block<'a> {
    /// Returns the number of rows done.
    #[inline(always)]
    fn run<S: Simd, const M: usize>(self, simd: S, finish: Finish<'_>) -> usize {
        let Finish { start, gelu, out, stride } = finish;
        let bias = match start {
            Start::Bias(bias) => Some((bias, 0)),
            Start::Zero | Start::Result => None,
        };
        match self.groups.len() - 1 {
            0 => self.part(0).add::<S, M>(simd, bias, out, stride),
            last => {
                let mut numbers = [[0.0; PANEL]; M];
                if bias.is_none() {
                    numbers.iter_mut().zip(out.chunks(stride)).for_each(|(n, out)| n.copy_from_slice(&out[..PANEL]));
                }
                let numbers = numbers.as_flattened_mut();
                self.part(0).add::<S, M>(simd, bias, numbers, PANEL);
                for nth in 1..last {
                    self.part(nth).add::<S, M>(simd, None, numbers, PANEL);
                }
                self.part(last).add::<S, M>(simd, Some((numbers, PANEL)), out, stride);
            }
        }
        if gelu {
            out.chunks_mut(stride).take(M).for_each(|out| simd.vectorize(Activate(&mut out[..PANEL])));
        }
        M
    }

    fn part(&self, nth: usize) -> Part<'a> {
        let (rows, group) = (self.rows, &self.groups[nth]);
        let at = self.first_group + nth;
        Part {
            bytes: &rows.bytes[self.first * rows.stride + at * GROUP..],
            stride: rows.stride,
            quads: &group.quads[self.column / PANEL * group.steps..][..group.steps],
            scales: &rows.scales[self.first * rows.groups + at..],
            groups: rows.groups,
            units: &group.scales[self.column..self.column + PANEL],
            sums: &group.sums[self.column..self.column + PANEL],
            vnni: self.vnni,
        }
    }
}

struct Activate<'a>(&'a mut [f32]);

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for number in S::as_mut_simd_f32s(self.0).0 {
            *number = coarse_gelu(simd, *number);
        }
    }
}

impl Part<'_> {
    /// Adds the contribution to `M` rows of `from`, or of `to` itself, and writes the sums to `to`.
    #[inline(always)]
    fn add<S: Simd, const M: usize>(&self, simd: S, from: Option<Panels<'_>>, to: &mut [f32], stride: usize) {
        assert!((M - 1) * self.stride + self.quads.len() * QUAD <= self.bytes.len());
        assert!((M - 1) * self.groups < self.scales.len());
        assert!((M - 1) * stride + PANEL <= to.len());
        assert!(from.is_none_or(|(from, stride)| (M - 1) * stride + PANEL <= from.len()));
        #[cfg(target_arch = "x86_64")]
        if self.vnni {
            #[expect(unsafe_code, reason = "instructions beyond those that Rust takes for granted")]
            // SAFETY: the machine has AVX-512 VNNI, and the assertions above check that everything read and written is
            // in bounds.
            unsafe {
                vnni::add::<M>(self, from, to, stride);
            }
            return;
        }
        simd.vectorize(Plain::<M> { part: self, from, to, stride });
    }
}

/// [`Part::add`] in plain code.
struct Plain<'s, 'a, const M: usize> {
    part: &'s Part<'a>,
    from: Option<Panels<'s>>,
    to: &'s mut [f32],
    stride: usize,
}

impl<const M: usize> WithSimd for Plain<'_, '_, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let part = self.part;
        let (units, weight_sums) = (S::as_simd_f32s(part.units).0, S::as_simd_f32s(part.sums).0);
        for (r, to) in self.to.chunks_mut(self.stride).take(M).enumerate() {
            let to = &mut to[..PANEL];
            if let Some((from, stride)) = self.from {
                to.copy_from_slice(&from[r * stride..][..PANEL]);
            }
            let mut sums = [0; PANEL];
            let bytes = part.bytes[r * part.stride..].chunks_exact(QUAD);
            for (bytes, quads) in bytes.zip(part.quads) {
                for (sum, quad) in sums.iter_mut().zip(&quads.0) {
                    for i in 0..QUAD {
                        *sum += i32::from(bytes[i]) * i32::from(quad[i]);
                    }
                }
            }
            let sums = sums.map(|sum| sum as f32);
            let [scale, low] = part.scales[r * part.groups].map(|value| simd.splat_f32s(value));
            for (v, number) in S::as_mut_simd_f32s(to).0.iter_mut().enumerate() {
                let start = simd.mul_add_e_f32s(low, weight_sums[v], *number);
                *number = simd.mul_add_e_f32s(simd.mul_f32s(S::as_simd_f32s(&sums).0[v], units[v]), scale, start);
            }
        }
    }
}
