//! The linear algebra that the simulator's networks need: dense layers in f32.

/// Returns the dot product, computed as eight independent sums; the order of additions depends only on the length.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// A dense layer: `weights` has a row of inputs for each output.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Dense {
    /// `weights · input + bias`.
    pub(super) fn forward(&self, input: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(input.len().max(1));
        rows.zip(&self.bias).map(|(row, b)| dot(row, input) + b).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dense_layer_multiplies_and_adds() {
        let layer = Dense { weights: (1..=18).map(|x| x as f32).collect(), bias: vec![0.5, -1.0] };
        let input: Vec<f32> = (0..9).map(|x| x as f32).collect();
        assert_eq!(layer.forward(&input), [240.5, 563.0]);
    }
}
