//! gelu, `x Phi(x)` with the normal distribution function `Phi`, and its derivative `Phi(x) + x phi(x)`.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{elements, exp::exp, with_elements};

/// gelu in its erf form.
pub(crate) struct Gelu;

/// Returns the normal distribution function and density, to 1e-7 (Abramowitz & Stegun 1964, 7.1.26; the formula's
/// exponential also gives the density).
#[inline]
fn normal(x: f32) -> (f32, f32) {
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let e = exp(-0.5 * x * x);
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_73) * t + 0.254_829_6) * t;
    let tail = 0.5 * p * e;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, e * 0.398_942_3)
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu-erf"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = elements(storage, layout)?.iter().map(|&x| x * normal(x).0).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let slope = |(&x, &g): (&f32, &f32)| {
            let (below, density) = normal(x);
            g * (below + x * density)
        };
        let out: Vec<f32> = with_elements(arg, |x| with_elements(grad, |g| x.iter().zip(g).map(slope).collect()))??;
        Tensor::from_vec(out, arg.shape(), arg.device()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn agrees_with_the_exact_form() {
        let x = Tensor::arange_step(-8.0f32, 8.0, 0.01, &Device::Cpu).unwrap();
        let exact: Vec<f32> = x.gelu_erf().unwrap().to_vec1().unwrap();
        let ours: Vec<f32> = x.apply_op1_no_bwd(&Gelu).unwrap().to_vec1().unwrap();
        for (a, b) in exact.iter().zip(&ours) {
            assert!((a - b).abs() <= 3e-7 * (1.0 + a.abs()), "{b} for {a}");
        }
    }
}
