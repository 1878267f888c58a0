//! A bias added to the last dimension.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::{elements, with_elements};

/// `x + bias` with `x` `(.., width)` and the bias `(width)`.
pub(crate) struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (elements(s1, l1)?, elements(s2, l2)?);
        let mut out = Vec::with_capacity(x.len());
        for line in x.chunks_exact(bias.len()) {
            out.extend(line.iter().zip(bias).map(|(x, b)| x + b));
        }
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, bias: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut sums = vec![0.0f32; bias.elem_count()];
        with_elements(grad, |g| {
            for line in g.chunks_exact(sums.len()) {
                sums.iter_mut().zip(line).for_each(|(sum, g)| *sum += g);
            }
        })?;
        Ok((Some(grad.clone()), Some(Tensor::from_vec(sums, bias.shape(), bias.device())?)))
    }
}
