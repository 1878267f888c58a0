//! Layer norm over the last dimension: `(x - mean) / sqrt(variance + epsilon) * weight + bias`.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};

use super::{elements, with_elements};

/// Layer norm of `x` `(.., width)` with weight and bias `(width)`; the field is epsilon.
pub(crate) struct Normalise(pub(crate) f32);

impl Normalise {
    /// Returns the mean of a row and the reciprocal of its standard deviation.
    fn moments(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len() as f32;
        let mean = x.iter().sum::<f32>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / n;
        (mean, 1.0 / (variance + self.0).sqrt())
    }

    fn gradients(&self, x: &[f32], weight: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let width = weight.len();
        let mut of_x = Vec::with_capacity(x.len());
        let (mut of_weight, mut of_bias) = (vec![0.0f32; width], vec![0.0f32; width]);
        let mut scaled = vec![0.0f32; width];
        for (x, g) in x.chunks_exact(width).zip(grad.chunks_exact(width)) {
            let (mean, inverse) = self.moments(x);
            let (mut sum, mut product) = (0.0, 0.0);
            for i in 0..width {
                let unit = (x[i] - mean) * inverse;
                of_weight[i] += g[i] * unit;
                of_bias[i] += g[i];
                scaled[i] = g[i] * weight[i];
                sum += scaled[i];
                product += scaled[i] * unit;
            }
            let (sum, product) = (sum / width as f32, product / width as f32);
            of_x.extend(x.iter().zip(&scaled).map(|(x, s)| inverse * (s - sum - (x - mean) * inverse * product)));
        }
        [of_x, of_weight, of_bias]
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "normalise"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = (elements(s1, l1)?, elements(s2, l2)?, elements(s3, l3)?);
        let mut out = Vec::with_capacity(x.len());
        for line in x.chunks_exact(weight.len()) {
            let (mean, inverse) = self.moments(line);
            out.extend(line.iter().zip(weight).zip(bias).map(|((x, w), b)| (x - mean) * inverse * w + b));
        }
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [of_x, of_weight, of_bias] =
            with_elements(x, |x| with_elements(weight, |w| with_elements(grad, |g| self.gradients(x, w, g))))???;
        Ok((
            Some(Tensor::from_vec(of_x, x.shape(), x.device())?),
            Some(Tensor::from_vec(of_weight, weight.shape(), x.device())?),
            Some(Tensor::from_vec(of_bias, bias.shape(), x.device())?),
        ))
    }
}
