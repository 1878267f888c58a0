//! Dropout whose mask is a function of a key and the position, so that no mask is stored and any pass can be repeated.

use std::sync::atomic::{AtomicU32, Ordering};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{elements, with_elements};

/// The dropout of one forward pass: the same key and the same order of layers give the same masks.
#[derive(Debug)]
pub struct Dropout {
    rate: f32,
    key: u64,
    layers: AtomicU32,
}

impl Dropout {
    /// Returns a dropout that drops elements with probability `rate` in [0, 1).
    #[must_use]
    pub fn new(rate: f32, key: u64) -> Self {
        Self { rate, key, layers: AtomicU32::new(0) }
    }

    /// The mask of the next layer; `None` if nothing is dropped.
    pub(crate) fn next_mask(&self) -> Option<Mask> {
        let next = || Mask::new(self.rate, self.key, self.layers.fetch_add(1, Ordering::Relaxed));
        (self.rate > 0.0).then(next)
    }

    /// Drops elements of `x` and scales the others up to keep the mean.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let Some(mask) = self.next_mask() else { return Ok(x.clone()) };
        if x.device().is_cpu() {
            return x.contiguous()?.apply_op1(mask);
        }
        let factors = (0..x.elem_count() as u32).map(|i| mask.factor(i)).collect::<Vec<_>>();
        x.mul(&Tensor::from_vec(factors, x.shape(), x.device())?)
    }
}

/// The mask of one layer.
pub(crate) struct Mask {
    key: [u32; 2],
    /// Elements whose hash is below this are dropped.
    threshold: u32,
    scale: f32,
}

impl Mask {
    fn new(rate: f32, key: u64, layer: u32) -> Self {
        let low = mix(key as u32 ^ mix(layer.wrapping_add(0x9e37_79b9)));
        let high = mix((key >> 32) as u32 ^ low);
        Self { key: [low, high], threshold: (f64::from(rate) * 4_294_967_296.0) as u32, scale: 1.0 / (1.0 - rate) }
    }

    #[inline]
    fn factor(&self, i: u32) -> f32 {
        let hash = mix(mix(i ^ self.key[0]).wrapping_add(self.key[1]));
        if hash < self.threshold { 0.0 } else { self.scale }
    }

    /// Drops elements of `x`, which starts at index `first` among the layer's elements, and scales up the others.
    pub(super) fn apply(&self, x: &mut [f32], first: usize) {
        for (x, i) in x.iter_mut().zip(first as u32..) {
            *x *= self.factor(i);
        }
    }

    fn masked(&self, x: &[f32]) -> Vec<f32> {
        x.iter().zip(0u32..).map(|(x, i)| x * self.factor(i)).collect()
    }
}

/// A bijective integer hash with low bias (C. Wellons' `lowbias32`).
#[inline]
fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

impl CustomOp1 for Mask {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.masked(elements(storage, layout)?)), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let out = with_elements(grad, |g| self.masked(g))?;
        Tensor::from_vec(out, arg.shape(), arg.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn drops_at_its_rate_alike_forward_and_backward_and_differently_in_every_layer() {
        let x = Var::ones(100_000, candle_core::DType::F32, &Device::Cpu).unwrap();
        let dropout = Dropout::new(0.1, 7);
        let y = dropout.apply(&x).unwrap();
        let first: Vec<f32> = y.to_vec1().unwrap();
        let dropped = first.iter().filter(|v| **v == 0.0).count();
        assert!((dropped as f32 / 1e5 - 0.1).abs() < 0.004, "{dropped}");
        let mean = first.iter().sum::<f32>() / 1e5;
        assert!((mean - 1.0).abs() < 0.005, "{mean}");
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().to_vec1::<f32>().unwrap(), first);
        let second: Vec<f32> = dropout.apply(&x).unwrap().to_vec1().unwrap();
        let both = first.iter().zip(&second).filter(|(a, b)| **a == 0.0 && **b == 0.0).count();
        assert!((both as f32 / 1e5 - 0.01).abs() < 0.002, "{both} dropped in both layers");
        let again: Vec<f32> = Dropout::new(0.1, 7).apply(&x).unwrap().to_vec1().unwrap();
        assert_eq!(again, first);
    }
}
