//! Symmetric systems of equations in f64.
//!
//! A linear-algebra crate, such as faer, would be slow to compile for these few functions: the matrices are small, and
//! many are factorised at a time, each on one core.

/// Returns the Cholesky factor (lower, row-major) of the symmetric positive definite `n × n` matrix, of which only the
/// lower triangle is read; `None` if the matrix is not positive definite.
#[must_use]
pub fn cholesky(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    factorise(&mut matrix, n)?;
    Some(matrix)
}

/// Like [`cholesky`], but in place.
pub fn factorise(matrix: &mut [f64], n: usize) -> Option<()> {
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
    Some(())
}

/// Solves `L Lᵀ x = b` in place.
pub fn solve(factor: &[f64], b: &mut [f64]) {
    solve_lower(factor, b);
    solve_upper(factor, b);
}

/// Solves `L x = b` in place.
pub fn solve_lower(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
    for i in 0..n {
        let sum: f64 = factor[i * n..i * n + i].iter().zip(&*b).map(|(l, x)| l * x).sum();
        b[i] = (b[i] - sum) / factor[i * n + i];
    }
}

/// Solves `Lᵀ x = b` in place.
pub fn solve_upper(factor: &[f64], b: &mut [f64]) {
    let n = b.len();
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
}
