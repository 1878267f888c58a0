//! A layer's weights in one of the precisions, and matrix products with them.

use lamcat_kernels::{GROUP, Int8Product, Int8Rows, Int8Weights, Left, Path, Product, Round, Start, Weights};

use crate::inference::Precision;

/// The weights and bias of a layer.
#[derive(Debug)]
pub(super) enum Dense {
    F32(Weights),
    Int8(Int8Weights),
}

impl Dense {
    /// Packs `weight` `(outputs, k)`, row-major, and `bias` `(outputs)`.
    pub(super) fn pack(precision: Precision, weight: &[f32], bias: &[f32], k: usize) -> Self {
        match precision {
            Precision::Int8 => Self::Int8(Int8Weights::pack(weight, bias, k)),
            _ => Self::F32(Weights::pack(weight, bias, k)),
        }
    }

    /// Number of inputs.
    pub(super) fn k(&self) -> usize {
        match self {
            Self::F32(weights) => weights.k,
            Self::Int8(weights) => weights.k,
        }
    }

    /// Number of outputs, rounded up to whole panels.
    pub(super) fn n(&self) -> usize {
        match self {
            Self::F32(weights) => weights.n,
            Self::Int8(weights) => weights.n,
        }
    }

    pub(super) fn bias(&self) -> &[f32] {
        match self {
            Self::F32(weights) => &weights.bias,
            Self::Int8(weights) => &weights.bias,
        }
    }
}

/// Number of inputs whose weights share a scale in 8 bits. The first input of a [`Part`] is a multiple of it.
pub(super) const STRETCH: usize = GROUP;

/// The computation of some outputs of a layer from some of its inputs.
pub(super) struct Part<'a> {
    /// The layer.
    pub(super) layer: &'a Dense,
    /// Index of the first input, a multiple of [`STRETCH`], and number of inputs.
    pub(super) inputs: (usize, usize),
    /// Index of the first output and number of outputs, both in whole panels.
    pub(super) outputs: (usize, usize),
    /// The initial value of the result, to which the product is added.
    pub(super) start: Start<'a>,
    /// Whether the result goes through gelu.
    pub(super) gelu: bool,
    /// `(rows, outputs)`.
    pub(super) out: &'a mut [f32],
}

/// Input rows of layers, in f32, and also in 8 bits once a layer has needed that.
pub(super) struct LayerInput<'a> {
    path: Path,
    x: &'a [f32],
    stride: usize,
    m: usize,
    rounded: &'a mut Int8Rows,
    /// Number of values per row in `rounded`.
    holds: usize,
}

impl<'a> LayerInput<'a> {
    /// Describes `m` rows of `x`, `stride` apart; `rounded` is working memory.
    pub(super) fn new(path: Path, x: &'a [f32], stride: usize, m: usize, rounded: &'a mut Int8Rows) -> Self {
        Self { path, x, stride, m, rounded, holds: 0 }
    }

    /// Computes `part` from the rows.
    pub(super) fn through(&mut self, part: Part<'_>) {
        let Part { layer, inputs, outputs, start, gelu, out } = part;
        match layer {
            Dense::F32(weights) => self.path.product(Product {
                m: self.m,
                k: inputs.1,
                left: Left { data: self.x, row: self.stride, column: 1 },
                right: weights.right().from_row(inputs.0).columns(outputs.0, outputs.1),
                start,
                gelu,
                out,
                stride: outputs.1,
            }),
            Dense::Int8(weights) => {
                if self.holds != inputs.1 {
                    let (x, stride, rows, k) = (self.x, self.stride, self.m, inputs.1);
                    self.path.round(Round { x, stride, rows, k, out: self.rounded });
                    self.holds = inputs.1;
                }
                self.path.int8_product(Int8Product {
                    first_input: inputs.0,
                    first_column: outputs.0,
                    columns: outputs.1,
                    start,
                    stride: outputs.1,
                    ..Int8Product::layer(self.rounded, weights, gelu, out)
                });
            }
        }
    }

    /// Computes all outputs of `layer` from the rows; `out` is `(rows, layer.n)`.
    pub(super) fn through_all(&mut self, layer: &Dense, gelu: bool, out: &mut [f32]) {
        let start = Start::Bias(layer.bias());
        self.through(Part { layer, inputs: (0, layer.k()), outputs: (0, layer.n()), start, gelu, out });
    }
}
