//! The two ways to run the layers: for inference, with candle's fused operations, or for training, with gradients and
//! dropout.

use candle_core::{D, Result, Tensor};
use candle_nn::{
    LayerNorm, Linear, Module,
    ops::{softmax, softmax_last_dim},
};

use super::{
    ops::{AddBias, Attend, Dropout, Gelu, Normalise},
    weights::LAYER_NORM_EPSILON,
};

/// The mode of a forward pass.
#[derive(Debug)]
pub enum Pass {
    /// Inference: fast, without gradients.
    Infer,
    /// Training: every operation has its gradient, and dropout is applied.
    Train(Dropout),
}

impl Pass {
    /// Whether the training operations of [`super::ops`] are used.
    fn on_host(&self, x: &Tensor) -> bool {
        matches!(self, Self::Train(_)) && x.device().is_cpu()
    }

    /// `x W^T + b`.
    pub(super) fn linear(&self, layer: &Linear, x: &Tensor) -> Result<Tensor> {
        match layer.bias() {
            Some(bias) if self.on_host(x) => {
                let shape = x.shape().clone();
                let (width, out) = (x.dim(D::Minus1)?, layer.weight().dim(0)?);
                let flat = x.reshape((shape.elem_count() / width, width))?.matmul(&layer.weight().t()?)?;
                let mut dims = shape.into_dims();
                dims.pop();
                dims.push(out);
                flat.apply_op2(bias, AddBias)?.reshape(dims)
            }
            _ => layer.forward(x),
        }
    }

    /// gelu in its erf form.
    pub(super) fn gelu(&self, x: &Tensor) -> Result<Tensor> {
        if self.on_host(x) { x.apply_op1(Gelu) } else { x.gelu_erf() }
    }

    /// Layer norm.
    pub(super) fn norm(&self, layer: &LayerNorm, x: &Tensor) -> Result<Tensor> {
        match (self, layer.bias()) {
            (Self::Infer, _) | (_, None) => layer.forward(x),
            (_, Some(bias)) if x.device().is_cpu() => {
                x.contiguous()?.apply_op3(layer.weight(), bias, Normalise(LAYER_NORM_EPSILON))
            }
            (_, Some(bias)) => {
                let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
                let unit = centred.broadcast_div(&(variance + f64::from(LAYER_NORM_EPSILON))?.sqrt()?)?;
                unit.broadcast_mul(layer.weight())?.broadcast_add(bias)
            }
        }
    }

    /// Attention of scaled queries `(rows, heads, n, d)` to keys and values `(rows, heads, m, d)` under a mask
    /// `(rows, 1, 1, m)`, with dropout of the weights.
    pub(super) fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, mask: &Tensor) -> Result<Tensor> {
        if let Self::Train(dropout) = self
            && q.device().is_cpu()
        {
            return q.apply_op3(k, v, Attend { mask: mask.clone(), dropout: dropout.next_mask() });
        }
        let scores = q.matmul(&k.transpose(D::Minus1, D::Minus2)?)?.broadcast_add(mask)?;
        let weights = match self {
            Self::Infer => softmax_last_dim(&scores)?,
            Self::Train(dropout) => dropout.apply(&softmax(&scores, D::Minus1)?)?,
        };
        weights.matmul(v)
    }

    /// Applies dropout in training; does nothing otherwise.
    pub(super) fn dropout(&self, x: Tensor) -> Result<Tensor> {
        match self {
            Self::Infer => Ok(x),
            Self::Train(dropout) => dropout.apply(&x),
        }
    }
}
