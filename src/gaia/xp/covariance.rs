//! Covariance of a band's coefficients.

use super::bands::{COEFFICIENTS_PER_BAND, Malformed, dot, used};

/// The covariance matrix of the coefficients of one band: the 1-sigma error of each, and their correlations.
///
/// The correlations are the n (n - 1) / 2 elements below the diagonal, row by row; by symmetry these are the elements
/// above it column by column, which is the order of the Gaia archive.
#[derive(Debug, Clone, Copy)]
pub struct Covariance<'a> {
    errors: &'a [f64],
    correlations: &'a [f64],
}

/// Whether `len` correlations form the triangle of a matrix with at most 55 rows.
#[must_use]
pub fn is_triangle(len: usize) -> bool {
    (1..=COEFFICIENTS_PER_BAND).any(|n| triangle(n) == len)
}

fn triangle(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

impl<'a> Covariance<'a> {
    /// Returns the covariance of the relevant coefficients; `None` if the band is missing: its errors are missing,
    /// empty or only NaN.
    ///
    /// # Errors
    /// If there are more than 55 errors or another number of correlations than n (n - 1) / 2 for n errors, or if one
    /// of those used is not finite.
    pub fn new(
        errors: Option<&'a [f64]>,
        correlations: Option<&'a [f64]>,
        relevant: Option<usize>,
    ) -> Result<Option<Self>, Malformed> {
        let len = errors.map_or(0, <[f64]>::len);
        let Some(errors) = super::band(errors, relevant)? else { return Ok(None) };
        let correlations = correlations.filter(|c| c.len() == triangle(len)).ok_or(Malformed)?;
        // The block for the first coefficients comes first.
        let correlations = &correlations[..triangle(used(len, relevant))];
        if correlations.iter().all(|c| c.is_finite()) {
            Ok(Some(Self { errors, correlations }))
        } else {
            Err(Malformed)
        }
    }

    /// The number of coefficients.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.errors.len()
    }

    /// Returns the variance of the sum of the coefficients times `weights`, of which there is at least one per
    /// coefficient.
    #[must_use]
    pub fn variance(&self, weights: &[f64]) -> f64 {
        let mut scaled = [0.0; COEFFICIENTS_PER_BAND];
        for (s, (w, e)) in scaled.iter_mut().zip(weights.iter().zip(self.errors)) {
            *s = w * e;
        }
        let scaled = &scaled[..self.errors.len()];
        let mut mixed = 0.0;
        let mut rows = self.correlations;
        for (n, s) in scaled.iter().enumerate() {
            let (row, rest) = rows.split_at(n);
            mixed += s * dot(row, scaled);
            rows = rest;
        }
        dot(scaled, scaled) + 2.0 * mixed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows (1), (.5 1), (.25 -.5 1).
    const CORRELATIONS: [f64; 3] = [0.5, 0.25, -0.5];
    const ERRORS: [f64; 3] = [1.0, 2.0, 4.0];

    fn variance(relevant: Option<usize>, weights: &[f64]) -> f64 {
        Covariance::new(Some(&ERRORS), Some(&CORRELATIONS), relevant).unwrap().unwrap().variance(weights)
    }

    #[test]
    fn variance_counts_every_pair_once_each_way() {
        // 1 + 4 + 16 + 2 (0.5 * 2 + 0.25 * 4 - 0.5 * 8)
        assert!((variance(None, &[1.0; 55]) - 17.0).abs() < 1e-12);
        assert!((variance(None, &[1.0, 0.0, 0.0]) - 1.0).abs() < 1e-12);
        assert!((variance(Some(2), &[1.0; 55]) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn triangles_of_the_wrong_size_and_nan_are_refused() {
        let new = |e: &[f64], c: Option<&[f64]>| Covariance::new(Some(e), c, None).map(|c| c.map(|c| c.coefficients()));
        assert_eq!(new(&ERRORS, Some(&CORRELATIONS)), Ok(Some(3)));
        assert_eq!(new(&ERRORS, Some(&CORRELATIONS[..2])), Err(Malformed));
        assert_eq!(new(&ERRORS, None), Err(Malformed));
        assert_eq!(new(&ERRORS, Some(&[0.0, f64::NAN, 0.0])), Err(Malformed));
        assert_eq!(new(&[f64::NAN; 3], None), Ok(None));
        let nan_beyond = Covariance::new(Some(&ERRORS), Some(&[0.5, f64::NAN, 0.0]), Some(2));
        assert_eq!(nan_beyond.unwrap().unwrap().coefficients(), 2);
        assert!(is_triangle(0) && is_triangle(1485) && !is_triangle(1484) && !is_triangle(1540));
    }
}
