//! Factor analysers: normal distributions with covariance `W Wᵀ + diag(ψ)`, any elements of which may be missing
//! (Ghahramani & Hinton 1996).
//!
//! With `x = μ + W z + ε`, where `z ~ N(0, 1)` has `rank` elements and `ε ~ N(0, diag(ψ))`, the observed part o of an x
//! has the covariance `W_o W_oᵀ + diag(ψ_o)`: a missing element is integrated out by leaving out its rows. Woodbury's
//! identity reduces the system of equations from one equation per observed element to `rank` equations.

use lamcat_core::{
    cholesky::{factorise, solve_lower, solve_upper},
    error::{Error, ErrorKind, Result},
};

/// One factor analyser of a mixture.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    weight: f64,
    mean: Vec<f64>,
    loading: Vec<f64>,
    variance: Vec<f64>,
    /// Inverse and natural logarithm of each variance.
    inverse: Vec<(f64, f64)>,
}

/// The distribution of the latent z, given an observed x.
#[derive(Debug, Clone, PartialEq)]
pub struct Latent {
    /// Natural logarithm of weight times density of the observed elements.
    pub log_density: f64,
    /// Mean of z given the observed elements: `rank`.
    pub mean: Vec<f64>,
    /// Lower Cholesky factor of the inverse covariance of z given the observed elements: `rank × rank`.
    pub precision: Vec<f64>,
}

impl Factors {
    /// Creates a component whose share of its mixture is `weight`: `mean` and `variance` (ψ) hold one element per
    /// dimension, `loading` (W) a row of `rank` elements per dimension. The numbers are rounded to f32, as they are
    /// stored in files.
    ///
    /// # Errors
    /// If the lengths do not match, a number is not finite, the weight is not in (0, 1], or a variance is not positive.
    pub fn new(weight: f64, mean: Vec<f64>, loading: Vec<f64>, variance: Vec<f64>) -> Result<Self> {
        let bad = |why: &str| Err(Error::new(ErrorKind::Model, why));
        let dimensions = mean.len();
        if dimensions == 0 || variance.len() != dimensions || !loading.len().is_multiple_of(dimensions) {
            return bad("its means, loadings and variances do not fit each other");
        }
        let round = |values: Vec<f64>| -> Vec<f64> { values.into_iter().map(|v| f64::from(v as f32)).collect() };
        let (weight, mean, loading, variance) =
            (f64::from(weight as f32), round(mean), round(loading), round(variance));
        if mean.iter().chain(&loading).any(|v| !v.is_finite()) {
            return bad("a mean or loading is not finite");
        }
        if variance.iter().any(|v| !v.is_finite() || *v <= 0.0) {
            return bad("a variance is not positive");
        }
        if !(weight > 0.0 && weight <= 1.0) {
            return bad("a weight is not in (0, 1]");
        }
        let inverse = variance.iter().map(|v| (v.recip(), v.ln())).collect();
        Ok(Self { weight, mean, loading, variance, inverse })
    }

    /// Share of the mixture, in (0, 1].
    #[must_use]
    pub fn weight(&self) -> f64 {
        self.weight
    }

    /// Mean of every dimension.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// W: a row of `rank` elements for every dimension.
    #[must_use]
    pub fn loading(&self) -> &[f64] {
        &self.loading
    }

    /// ψ of every dimension.
    #[must_use]
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// Number of latent factors.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.loading.len() / self.mean.len()
    }

    /// Returns the distribution of z given the observed elements of x, each a `(dimension, value)`; `None` if a value
    /// is not finite.
    #[must_use]
    pub fn latent(&self, observed: &[(usize, f64)]) -> Option<Latent> {
        let mut work = Work::new(self.rank());
        let (_, log_density) = self.measure(observed, &mut work)?;
        let Work { precision, projected: mut mean } = work;
        solve_upper(&precision, &mut mean);
        Some(Latent { log_density, mean, precision })
    }

    /// Returns the squared Mahalanobis distance of the observed elements from their mean, and the natural logarithm of
    /// weight times density; `None` if a value is not finite.
    fn measure(&self, observed: &[(usize, f64)], work: &mut Work) -> Option<(f64, f64)> {
        let rank = self.rank();
        let Work { precision, projected } = work;
        precision.fill(0.0);
        projected.fill(0.0);
        let (mut squared, mut log_determinant) = (0.0, 0.0);
        for &(dimension, value) in observed {
            let row = &self.loading[dimension * rank..(dimension + 1) * rank];
            let residual = value - self.mean[dimension];
            let (inverse, log_variance) = self.inverse[dimension];
            squared += residual * residual * inverse;
            log_determinant += log_variance;
            for (i, loading) in row.iter().enumerate() {
                let scaled = loading * inverse;
                projected[i] += scaled * residual;
                for (p, other) in precision[i * rank..].iter_mut().zip(&row[..=i]) {
                    *p += scaled * other;
                }
            }
        }
        (0..rank).for_each(|i| precision[i * rank + i] += 1.0);
        factorise(precision, rank)?;
        solve_lower(precision, projected);
        let squared_distance = squared - projected.iter().map(|b| b * b).sum::<f64>();
        log_determinant += 2.0 * (0..rank).map(|i| precision[i * rank + i].ln()).sum::<f64>();
        let normal = observed.len() as f64 * std::f64::consts::TAU.ln();
        let log_density = self.weight.ln() - 0.5 * (squared_distance + log_determinant + normal);
        log_density.is_finite().then_some((squared_distance, log_density))
    }
}

/// Working memory and results of a distance. For the observed elements, with `P = 1 + Wᵀ ψ⁻¹ W = L Lᵀ`, the inverse
/// covariance of z, it holds L; and, with the residuals r, `L⁻¹ Wᵀ ψ⁻¹ r`.
struct Work {
    precision: Vec<f64>,
    projected: Vec<f64>,
}

impl Work {
    fn new(rank: usize) -> Self {
        Self { precision: vec![0.0; rank * rank], projected: vec![0.0; rank] }
    }
}

/// Returns the squared Mahalanobis distance of an observed x from the component of a mixture from which it most
/// probably comes; `None` if a value is not finite. All components must have the same rank.
#[must_use]
pub(crate) fn nearest(mixture: &[Factors], observed: &[(usize, f64)]) -> Option<f64> {
    let mut work = Work::new(mixture.first()?.rank());
    let all = mixture.iter().filter_map(|factors| factors.measure(observed, &mut work));
    all.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(squared_distance, _)| squared_distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observed elements, squared distance, log density and mean of z.
    type Case<'a> = (&'a [(usize, f64)], f64, f64, [f64; 2]);

    fn factors() -> Factors {
        Factors::new(
            0.25,
            vec![0.5, -1.0, 2.0, 0.0],
            vec![1.0, 0.5, -0.5, 0.25, 2.0, -1.0, 0.0, 0.75],
            vec![0.5, 0.25, 1.0, 2.0],
        )
        .unwrap()
    }

    // Dense covariances in numpy and scipy:
    //   W = np.array([[1, .5], [-.5, .25], [2, -1], [0, .75]]); S = W @ W.T + np.diag([.5, .25, 1, 2])
    //   m = np.array([.5, -1, 2, 0]); x = np.array([1.5, 0, 1, -2]); d = (x - m)[o]; C = S[np.ix_(o, o)]
    //   d @ np.linalg.solve(C, d), np.log(.25) + scipy.stats.multivariate_normal(m[o], C).logpdf(x[o]),
    //   W[o].T @ np.linalg.solve(C, d)
    // for o = [0, 1, 2, 3] and o = [1, 3].
    #[test]
    fn missing_elements_are_integrated_out_as_in_the_dense_covariance() {
        let x = [(0, 1.5), (1, 0.0), (2, 1.0), (3, -2.0)];
        let cases: [Case; 2] = [
            (&x, 7.221_590_909_091, -9.525_217_994_603, [-0.122_159_090_909, 0.681_818_181_818]),
            (&[x[1], x[3]], 3.955_555_555_556, -5.372_412_498_791, [-1.044_444_444_444, -0.177_777_777_778]),
        ];
        for (observed, squared, log_density, mean) in cases {
            let latent = factors().latent(observed).unwrap();
            // The other component is farther away, and leaves other numbers in the working memory.
            let far = Factors::new(0.75, vec![50.0; 4], vec![0.5; 8], vec![1.0; 4]).unwrap();
            let distance = nearest(&[far.clone(), factors(), far], observed).unwrap();
            assert!((distance - squared).abs() < 1e-9, "{distance}");
            assert!((latent.log_density - log_density).abs() < 1e-9, "{latent:?}");
            assert!(latent.mean.iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-9), "{latent:?}");
        }
    }

    #[test]
    fn unusable_numbers_are_refused() {
        assert!(Factors::new(1.0, vec![0.0; 2], vec![0.0; 3], vec![1.0; 2]).is_err());
        assert!(Factors::new(1.0, vec![0.0, f64::NAN], vec![0.0; 2], vec![1.0; 2]).is_err());
        assert!(Factors::new(1.0, vec![0.0; 2], vec![0.0; 2], vec![1.0, 0.0]).is_err());
        assert!(Factors::new(1.1, vec![0.0; 2], vec![0.0; 2], vec![1.0; 2]).is_err());
        assert!(Factors::new(0.0, vec![0.0; 2], vec![0.0; 2], vec![1.0; 2]).is_err());
        assert!(factors().latent(&[(0, f64::NAN)]).is_none());
    }
}
