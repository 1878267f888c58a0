//! Matrix products whose results are completed, with bias and gelu, before they leave the registers.
//!
//! Each element of a product is one chain of multiply-adds along `k`, starting from its bias, whatever the number of
//! rows: a row's result does not depend on the rows beside it.

use pulp::{Simd, WithSimd};

use super::{buffer::Buffer, pointwise::gelu};

/// Columns of a panel.
pub const PANEL: usize = 32;
/// Largest part of `k` processed at once, so that the corresponding part of the rows stays in the cache.
const DEPTH: usize = 512;

/// Returns the length of a row of `n` numbers, rounded up to whole panels.
#[must_use]
pub fn padded(n: usize) -> usize {
    n.next_multiple_of(PANEL)
}

/// The left factor, `(rows, k)`: element `(i, p)` is at `i * row + p * column`.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Distance between the starts of two rows.
    pub row: usize,
    /// Distance between two elements of a row.
    pub column: usize,
}

/// The right factor, `(k, n)` with `n` a multiple of [`PANEL`]: element `(p, j)` is at
/// `j / PANEL * panel + p * row + j % PANEL`.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    /// The elements.
    pub data: &'a [f32],
    /// Distance between the starts of two rows.
    pub row: usize,
    /// Distance between the starts of two panels.
    pub panel: usize,
    /// Number of columns.
    pub n: usize,
}

impl<'a> Right<'a> {
    /// A row-major matrix of `n` columns.
    #[must_use]
    pub fn rows(data: &'a [f32], n: usize) -> Self {
        Self { data, row: n, panel: PANEL, n }
    }

    /// Returns the rows starting with `from`.
    #[must_use]
    pub fn from_row(self, from: usize) -> Self {
        Self { data: &self.data[from * self.row..], ..self }
    }

    /// Returns the columns `from..from + n`, which are whole panels.
    #[must_use]
    pub fn columns(self, from: usize, n: usize) -> Self {
        Self { data: &self.data[from / PANEL * self.panel..], n, ..self }
    }
}

/// A layer's weights in panels, and its bias; padded outputs beyond its width are zero.
#[derive(Debug, Clone)]
pub struct Weights {
    panels: Buffer,
    /// `(n)`.
    pub bias: Buffer,
    /// Number of inputs.
    pub k: usize,
    /// Number of outputs, rounded up to whole panels.
    pub n: usize,
}

impl Weights {
    /// Packs `weight` `(outputs, k)`, row-major, and `bias` `(outputs)`.
    #[must_use]
    pub fn pack(weight: &[f32], bias: &[f32], k: usize) -> Self {
        let n = padded(bias.len());
        let mut panels = Buffer::zeros(n * k);
        for (j, row) in weight.chunks_exact(k).enumerate() {
            for (p, value) in row.iter().enumerate() {
                panels[j / PANEL * PANEL * k + p * PANEL + j % PANEL] = *value;
            }
        }
        let mut padded_bias = Buffer::zeros(n);
        padded_bias[..bias.len()].copy_from_slice(bias);
        Self { panels, bias: padded_bias, k, n }
    }

    /// The weights as the right factor of a product.
    #[must_use]
    pub fn right(&self) -> Right<'_> {
        Right { data: &self.panels, row: PANEL, panel: PANEL * self.k, n: self.n }
    }
}

/// The initial value of a product.
#[derive(Clone, Copy)]
pub enum Start<'a> {
    /// Zero.
    Zero,
    /// A value for each column.
    Bias(&'a [f32]),
    /// The current content of the result.
    Result,
}

/// `out (m, n) = left (m, k) right (k, n) + start`, optionally followed by gelu; `out` has rows of `stride`.
pub struct Product<'a> {
    /// Number of rows.
    pub m: usize,
    /// Length of the sums.
    pub k: usize,
    /// The left factor.
    pub left: Left<'a>,
    /// The right factor.
    pub right: Right<'a>,
    /// The initial value of the result, to which the product is added.
    pub start: Start<'a>,
    /// Whether the result goes through gelu.
    pub gelu: bool,
    /// The result.
    pub out: &'a mut [f32],
    /// Distance between the starts of two rows of the result.
    pub stride: usize,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Rows and vectors of a block, chosen so that its sums fit into the registers.
        match (S::F32_LANES, S::REGISTER_COUNT) {
            (16, _) => self.blocks::<S, 12, 2>(simd),
            (8, _) => self.blocks::<S, 6, 2>(simd),
            (4, _) => self.blocks::<S, 6, 4>(simd),
            _ => self.blocks::<S, 2, 4>(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const M: usize, const V: usize>(mut self, simd: S) {
        let width = V * S::F32_LANES;
        assert!(self.right.n.is_multiple_of(PANEL) && PANEL.is_multiple_of(width));
        self.check();
        let mut from = 0;
        loop {
            let depth = DEPTH.min(self.k - from);
            let last = from + depth == self.k;
            for j in (0..self.right.n).step_by(width) {
                let mut i = 0;
                while i < self.m {
                    let mut block = Block { product: &mut self, i, j, from, depth, last };
                    i += match block.product.m - i {
                        rows if rows >= M => block.run::<S, M, V>(simd),
                        rows if rows >= 4 => block.run::<S, 4, V>(simd),
                        _ => block.run::<S, 1, V>(simd),
                    };
                }
            }
            from += depth;
            if last {
                return;
            }
        }
    }

    /// Checks that every element lies in its slice.
    fn check(&self) {
        let Self { m, k, left, right, out, stride, .. } = self;
        let n = right.n;
        assert!(n <= *stride && (*m == 0 || (m - 1) * stride + n <= out.len()));
        assert!(*m == 0 || *k == 0 || (m - 1) * left.row + (k - 1) * left.column < left.data.len());
        assert!(*k == 0 || n == 0 || (n / PANEL - 1) * right.panel + (k - 1) * right.row + PANEL <= right.data.len());
        if let Start::Bias(bias) = self.start {
            assert!(n <= bias.len());
        }
    }
}

/// Some rows and vectors of a product, over a part of `k`.
struct Block<'b, 'a> {
    product: &'b mut Product<'a>,
    i: usize,
    j: usize,
    from: usize,
    depth: usize,
    last: bool,
}

impl Block<'_, '_> {
    /// Returns the number of rows done.
    #[inline(always)]
    fn run<S: Simd, const M: usize, const V: usize>(&mut self, simd: S) -> usize {
        simd.vectorize(Sums::<M, V> { block: self });
        M
    }
}

struct Sums<'c, 'b, 'a, const M: usize, const V: usize> {
    block: &'c mut Block<'b, 'a>,
}

// The sums stay in registers because the loops over them have constant lengths; iterators hide that.
#[expect(unsafe_code, reason = "bounds checks inside the loop over k would cost half its speed")]
impl<const M: usize, const V: usize> WithSimd for Sums<'_, '_, '_, M, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block { product, i, j, from, depth, last } = self.block;
        let (i, j, from, depth) = (*i, *j, *from, *depth);
        let (left, right, stride) = (product.left, product.right, product.stride);
        let lanes = S::F32_LANES;
        // SAFETY: `Product::check` has verified that the last element of each factor and of the result lies in its
        // slice, and blocks lie within them. Vectors have the alignment of their numbers.
        unsafe {
            let a = left.data.as_ptr().add(i * left.row + from * left.column);
            let b = right.data.as_ptr().add(j / PANEL * right.panel + from * right.row + j % PANEL);
            let c = product.out.as_mut_ptr().add(i * stride + j);
            let vector = |at: *const f32, v: usize| at.add(v * lanes).cast::<S::f32s>().read_unaligned();
            let mut sums = [[simd.splat_f32s(0.0); V]; M];
            match product.start {
                Start::Zero if from == 0 => {}
                Start::Bias(bias) if from == 0 => {
                    for r in 0..M {
                        for v in 0..V {
                            sums[r][v] = vector(bias.as_ptr().add(j), v);
                        }
                    }
                }
                _ => {
                    for r in 0..M {
                        for v in 0..V {
                            sums[r][v] = vector(c.add(r * stride), v);
                        }
                    }
                }
            }
            let (mut a, mut b) = (a, b);
            for _ in 0..depth {
                let mut row = [simd.splat_f32s(0.0); V];
                for v in 0..V {
                    row[v] = vector(b, v);
                }
                for r in 0..M {
                    let factor = simd.splat_f32s(*a.add(r * left.row));
                    for v in 0..V {
                        sums[r][v] = simd.mul_add_e_f32s(factor, row[v], sums[r][v]);
                    }
                }
                a = a.add(left.column);
                b = b.add(right.row);
            }
            for r in 0..M {
                for v in 0..V {
                    c.add(r * stride + v * lanes).cast::<S::f32s>().write_unaligned(sums[r][v]);
                }
            }
            if product.gelu && *last {
                for r in 0..M {
                    for v in 0..V {
                        let at = c.add(r * stride + v * lanes).cast::<S::f32s>();
                        at.write_unaligned(gelu(simd, at.read_unaligned()));
                    }
                }
            }
        }
    }
}
