//! Softmax of attention scores under a key mask.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{
    elements,
    exp::{SMALLEST, exp},
    with_elements,
};

/// `softmax(scores + mask)` over the keys; scores `(rows, heads, queries, keys)`, mask `(rows, 1, 1, keys)`. At least
/// one key of a row must be visible.
pub(in crate::model) struct MaskedSoftmax(pub(in crate::model) Tensor);

/// One query's scores to weights.
fn weights(scores: &[f32], mask: &[f32], out: &mut [f32]) {
    let mut largest = f32::NEG_INFINITY;
    for ((o, &s), &m) in out.iter_mut().zip(scores).zip(mask) {
        *o = s + m;
        largest = if *o > largest { *o } else { largest };
    }
    let mut sum = 0.0;
    for o in out.iter_mut() {
        let x = *o - largest;
        *o = if x < SMALLEST { 0.0 } else { exp(x) };
    }
    for o in out.iter() {
        sum += *o;
    }
    let scale = 1.0 / sum;
    for o in out.iter_mut() {
        *o *= scale;
    }
}

/// The gradient of one query's scores: `w (g - sum(w g))`.
fn slopes(weights: &[f32], grad: &[f32], out: &mut Vec<f32>) {
    let mean: f32 = weights.iter().zip(grad).map(|(w, g)| w * g).sum();
    out.extend(weights.iter().zip(grad).map(|(w, g)| w * (g - mean)));
}

impl CustomOp1 for MaskedSoftmax {
    fn name(&self) -> &'static str {
        "masked-softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, heads, queries, keys) = layout.shape().dims4()?;
        let scores = elements(storage, layout)?;
        let mut out = vec![0.0; scores.len()];
        with_elements(&self.0, |mask| {
            let lines = scores.chunks_exact(keys).zip(out.chunks_exact_mut(keys));
            for (i, (scores, out)) in lines.enumerate() {
                let row = i / (heads * queries);
                weights(scores, &mask[row * keys..(row + 1) * keys], out);
            }
        })?;
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let keys = arg.dim(3)?;
        let mut out = Vec::with_capacity(arg.elem_count());
        with_elements(res, |w| {
            with_elements(grad, |g| {
                for (w, g) in w.chunks_exact(keys).zip(g.chunks_exact(keys)) {
                    slopes(w, g, &mut out);
                }
            })
        })??;
        Tensor::from_vec(out, arg.shape(), arg.device()).map(Some)
    }
}
