//! The little linear algebra the simulator needs: dense layers in f32, and one symmetric system in f64.

/// Dot product in eight independent sums; the order of additions depends on the length alone.
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

/// Cholesky factor (lower, row-major) of the symmetric positive definite `n × n` matrix; `None` if it is not.
pub(super) fn cholesky(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        let (above, row) = matrix.split_at_mut(i * n);
        for j in 0..=i {
            let product: f64 = if j < i {
                let other = &above[j * n..j * n + j];
                row[..j].iter().zip(other).map(|(a, b)| a * b).sum()
            } else {
                row[..i].iter().map(|a| a * a).sum()
            };
            if j < i {
                row[j] = (row[j] - product) / above[j * n + j];
            } else {
                let pivot = row[i] - product;
                if pivot.is_nan() || pivot <= 0.0 {
                    return None;
                }
                row[i] = pivot.sqrt();
            }
        }
    }
    Some(matrix)
}

/// Solves `L Lᵀ x = b` in place.
pub(super) fn solve(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        let sum: f64 = factor[i * n..i * n + i].iter().zip(&*b).map(|(l, x)| l * x).sum();
        b[i] = (b[i] - sum) / factor[i * n + i];
    }
    for i in (0..n).rev() {
        b[i] /= factor[i * n + i];
        let x = b[i];
        b[..i].iter_mut().zip(&factor[i * n..i * n + i]).for_each(|(b, l)| *b -= l * x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_an_indefinite_one_refused() {
        let matrix = vec![4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 5.0];
        let x = [1.5, -2.0, 0.25];
        let mut b: Vec<f64> = matrix.chunks_exact(3).map(|r| r.iter().zip(&x).map(|(a, b)| a * b).sum()).collect();
        solve(&cholesky(matrix, 3).unwrap(), &mut b);
        assert!(b.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-12), "{b:?}");
        assert!(cholesky(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
        assert!(cholesky(vec![f64::NAN], 1).is_none());
    }

    #[test]
    fn a_dense_layer_multiplies_and_adds() {
        let layer = Dense { weights: (1..=18).map(|x| x as f32).collect(), bias: vec![0.5, -1.0] };
        let input: Vec<f32> = (0..9).map(|x| x as f32).collect();
        assert_eq!(layer.forward(&input), [240.5, 563.0]);
    }
}
