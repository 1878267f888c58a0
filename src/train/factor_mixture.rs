//! Fits a mixture of factor analysers to stars with missing elements, by expectation maximisation (Ghahramani & Hinton
//! 1996, "The EM algorithm for mixtures of factor analyzers").
//!
//! The prior has the weight of one star per element: it pulls a component towards the mean and the variance of all
//! stars, as if one more star had them, so that elements that hardly any of its stars have remain reasonable.

use lamcat_core::{
    cholesky::{cholesky, solve},
    error::Result,
};
use lamcat_model::Factors;
use rand::{Rng, SeedableRng, seq::index::sample};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// The known elements of a star, as `(dimension, value)`.
pub(super) type Observed = Vec<(usize, f64)>;

/// A star's share of a component below this is neglected.
const SMALLEST_SHARE: f64 = 1e-4;
/// Smallest variance over all stars: an element that varies less is considered constant.
pub(super) const SMALLEST_VARIANCE: f64 = 1e-6;
/// Smallest variance of a component, relative to that of all stars.
const FLOOR: f64 = 1e-3;
/// Number of rounds of the initial clustering.
const ROUNDS: usize = 20;
/// Number of stars whose sums are computed together; the results do not depend on the number of threads.
const CHUNK: usize = 1024;

/// The size of the mixture and the duration of the fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct MixtureSettings {
    /// Number of factor analysers.
    pub(super) components: usize,
    /// Number of latent factors of each.
    pub(super) rank: usize,
    /// Maximum number of iterations.
    pub(super) iterations: usize,
    /// The fit ends when an iteration increases the mean log density of a star by less than this.
    pub(super) gain: f64,
    /// Seed of the initial guess.
    pub(super) seed: u64,
}

/// Mean and variance of every dimension over all stars.
struct Overall {
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl Overall {
    fn new(stars: &[Observed], dimensions: usize) -> Self {
        let (mut count, mut mean, mut variance) =
            (vec![1e-9; dimensions], vec![0.0; dimensions], vec![0.0; dimensions]);
        for &(d, x) in stars.iter().flatten() {
            count[d] += 1.0;
            mean[d] += x;
        }
        mean.iter_mut().zip(&count).for_each(|(m, n)| *m /= n);
        for &(d, x) in stars.iter().flatten() {
            variance[d] += (x - mean[d]).powi(2);
        }
        variance.iter_mut().zip(&count).for_each(|(v, n)| *v = (*v / n).max(SMALLEST_VARIANCE));
        Self { mean, variance }
    }
}

/// Fits a mixture to the stars; the same settings give the same fit. `anchors` are the dimensions used for the initial
/// clustering of the stars, where a missing element counts as 0.
///
/// # Errors
/// If a component is not usable, for example because a value is not finite.
pub(super) fn fit(
    stars: &[Observed],
    dimensions: usize,
    anchors: &[usize],
    settings: MixtureSettings,
) -> Result<Vec<Factors>> {
    let MixtureSettings { components, rank, iterations, gain, seed } = settings;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let overall = Overall::new(stars, dimensions);
    let cluster = clusters(stars, anchors, components, &mut rng);
    let mut mixture = (0..components)
        .map(|k| {
            let members: Vec<&Observed> =
                stars.iter().zip(&cluster).filter(|(_, c)| **c == k).map(|(s, _)| s).collect();
            first_guess(&members, stars.len(), &overall, rank, &mut rng)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut before = f64::NEG_INFINITY;
    for _ in 0..iterations {
        let sums = Sums::of(stars, &mixture, dimensions);
        mixture =
            sums.components.iter().map(|c| c.maximise(stars.len(), &overall, rank)).collect::<Result<Vec<_>>>()?;
        let density = sums.log_density / stars.len() as f64;
        if density - before < gain {
            break;
        }
        before = density;
    }
    Ok(mixture)
}

/// Assigns every star to a cluster, with Lloyd's algorithm.
fn clusters(stars: &[Observed], anchors: &[usize], components: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let points: Vec<Vec<f64>> = stars
        .iter()
        .map(|star| {
            let at = |d: &usize| star.iter().find(|(dimension, _)| dimension == d).map_or(0.0, |(_, x)| *x);
            anchors.iter().map(at).collect()
        })
        .collect();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    let mut centres: Vec<Vec<f64>> =
        sample(rng, stars.len(), components).into_iter().map(|i| points[i].clone()).collect();
    let mut cluster = vec![0; stars.len()];
    for _ in 0..ROUNDS {
        for (point, cluster) in points.iter().zip(&mut cluster) {
            let nearest =
                (0..components).min_by(|a, b| distance(point, &centres[*a]).total_cmp(&distance(point, &centres[*b])));
            *cluster = nearest.unwrap_or_default();
        }
        for (k, centre) in centres.iter_mut().enumerate() {
            let members: Vec<&Vec<f64>> =
                points.iter().zip(&cluster).filter(|(_, c)| **c == k).map(|(p, _)| p).collect();
            if !members.is_empty() {
                for (i, x) in centre.iter_mut().enumerate() {
                    *x = members.iter().map(|p| p[i]).sum::<f64>() / members.len() as f64;
                }
            }
        }
    }
    cluster
}

/// Makes a component from a cluster's means and variances; half of the variances goes into small random loadings.
fn first_guess(
    members: &[&Observed],
    stars: usize,
    overall: &Overall,
    rank: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Factors> {
    let mut count = vec![1.0; overall.mean.len()];
    let mut mean = overall.mean.clone();
    let mut variance = overall.variance.clone();
    for &(d, x) in members.iter().copied().flatten() {
        count[d] += 1.0;
        mean[d] += x;
    }
    mean.iter_mut().zip(&count).for_each(|(m, n)| *m /= n);
    for &(d, x) in members.iter().copied().flatten() {
        variance[d] += (x - mean[d]).powi(2);
    }
    variance.iter_mut().zip(&count).for_each(|(v, n)| *v *= 0.5 / n);
    let mut loading = Vec::with_capacity(rank * mean.len());
    for v in &variance {
        let scale = (v / rank as f64).sqrt();
        loading.extend((0..rank).map(|_| scale * rng.sample::<f64, _>(StandardNormal)));
    }
    Factors::new((members.len() as f64).max(1.0) / stars as f64, mean, loading, variance)
}

/// The statistics of the stars for a mixture: sums over the stars, by component.
struct Sums {
    components: Vec<ComponentSums>,
    log_density: f64,
}

/// Sums over a component's share of the stars. With `y = (z, 1)` of `rank + 1` elements, for every dimension, over the
/// stars that have it: `Σ ⟨y yᵀ⟩` (lower triangle), `Σ x ⟨y⟩` and `Σ x²`.
#[derive(Clone)]
struct ComponentSums {
    share: f64,
    outer: Vec<f64>,
    product: Vec<f64>,
    square: Vec<f64>,
}

impl ComponentSums {
    fn new(dimensions: usize, rank: usize) -> Self {
        let y = rank + 1;
        let zeros = |n: usize| vec![0.0; n];
        Self { share: 0.0, outer: zeros(dimensions * y * y), product: zeros(dimensions * y), square: zeros(dimensions) }
    }

    /// Adds a star whose z has this mean and an inverse covariance with this Cholesky factor.
    fn add(&mut self, star: &Observed, share: f64, mean: &[f64], precision: &[f64]) {
        let (rank, size) = (mean.len(), mean.len() + 1);
        let y: Vec<f64> = mean.iter().copied().chain([1.0]).collect();
        let mut outer = vec![0.0; size * size];
        for column in 0..rank {
            let mut covariance = vec![0.0; rank];
            covariance[column] = 1.0;
            solve(precision, &mut covariance);
            (column..rank).for_each(|row| outer[row * size + column] = covariance[row]);
        }
        for row in 0..size {
            (0..=row).for_each(|column| outer[row * size + column] += y[row] * y[column]);
        }
        self.share += share;
        for &(d, x) in star {
            let sums = &mut self.outer[d * size * size..(d + 1) * size * size];
            sums.iter_mut().zip(&outer).for_each(|(s, o)| *s += share * o);
            self.product[d * size..(d + 1) * size].iter_mut().zip(&y).for_each(|(s, y)| *s += share * x * y);
            self.square[d] += share * x * x;
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |a: &mut [f64], b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        self.share += other.share;
        add(&mut self.outer, &other.outer);
        add(&mut self.product, &other.product);
        add(&mut self.square, &other.square);
    }

    /// Returns the most probable factor analyser: in every dimension a regression of x on y.
    fn maximise(&self, stars: usize, overall: &Overall, rank: usize) -> Result<Factors> {
        let size = rank + 1;
        let (mut mean, mut loading, mut variance) = (Vec::new(), Vec::new(), Vec::new());
        for (d, square) in self.square.iter().enumerate() {
            let outer = &self.outer[d * size * size..(d + 1) * size * size];
            let product = &self.product[d * size..(d + 1) * size];
            let mut regularised = outer.to_vec();
            (0..size).for_each(|i| regularised[i * size + i] += 1.0);
            let mut w = product.to_vec();
            w[rank] += overall.mean[d];
            match cholesky(regularised, size) {
                Some(factor) => solve(&factor, &mut w),
                None => w.fill(f64::NAN),
            }
            // Σ (x − w·y)², including the triangle's other half.
            let mut residual = square - 2.0 * w.iter().zip(product).map(|(w, p)| w * p).sum::<f64>();
            for row in 0..size {
                let below: f64 = (0..row).map(|column| w[column] * outer[row * size + column]).sum();
                residual += w[row] * (2.0 * below + w[row] * outer[row * size + row]);
            }
            let known = outer[size * size - 1];
            let prior = overall.variance[d];
            mean.push(w[rank]);
            loading.extend(&w[..rank]);
            variance.push(((residual + prior) / (known + 1.0)).max(FLOOR * prior));
        }
        Factors::new(self.share.max(SMALLEST_SHARE) / stars as f64, mean, loading, variance)
    }
}

impl Sums {
    fn of(stars: &[Observed], mixture: &[Factors], dimensions: usize) -> Self {
        let chunks: Vec<Self> = stars.par_chunks(CHUNK).map(|c| Self::of_chunk(c, mixture, dimensions)).collect();
        let mut total = Self::empty(mixture, dimensions);
        for chunk in &chunks {
            total.log_density += chunk.log_density;
            total.components.iter_mut().zip(&chunk.components).for_each(|(t, c)| t.merge(c));
        }
        total
    }

    fn empty(mixture: &[Factors], dimensions: usize) -> Self {
        let components = mixture.iter().map(|f| ComponentSums::new(dimensions, f.rank())).collect();
        Self { components, log_density: 0.0 }
    }

    fn of_chunk(stars: &[Observed], mixture: &[Factors], dimensions: usize) -> Self {
        let mut sums = Self::empty(mixture, dimensions);
        for star in stars {
            let latent: Vec<_> = mixture.iter().map(|factors| factors.latent(star)).collect();
            let densities = || latent.iter().flatten().map(|l| l.log_density);
            let largest = densities().fold(f64::NEG_INFINITY, f64::max);
            let total = largest + densities().map(|d| (d - largest).exp()).sum::<f64>().ln();
            if !total.is_finite() {
                continue;
            }
            sums.log_density += total;
            for (component, latent) in sums.components.iter_mut().zip(&latent) {
                let Some(latent) = latent else { continue };
                let share = (latent.log_density - total).exp();
                if share >= SMALLEST_SHARE {
                    component.add(star, share, &latent.mean, &latent.precision);
                }
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARS: usize = 2000;
    const LOADING: [f64; 5] = [2.0, -1.0, 0.5, 1.0, 0.0];
    const SPREAD: [f64; 5] = [0.5, 1.0, 0.3, 2.0, 0.7];
    const CENTRE: [f64; 5] = [1.0, 0.0, -2.0, 3.0, 0.0];

    /// Returns evenly distributed values with variance 1: multiples of a root.
    fn uniform(star: usize, root: f64) -> f64 {
        12f64.sqrt() * ((star as f64 * root.sqrt()).fract() - 0.5)
    }

    /// Returns the elements of `LOADING z + SPREAD ε + CENTRE` selected by `known`.
    fn stars(known: impl Fn(usize, usize) -> bool) -> Vec<Observed> {
        let star = |i: usize| -> Observed {
            let z = uniform(i, 2.0);
            let x = |d: usize| CENTRE[d] + LOADING[d] * z + SPREAD[d] * uniform(i, [3.0, 5.0, 7.0, 11.0, 13.0][d]);
            (0..5).filter(|d| known(i, *d)).map(|d| (d, x(d))).collect()
        };
        (1..=STARS).map(star).collect()
    }

    fn covariance(f: &Factors) -> Vec<f64> {
        let (w, rank) = (f.loading(), f.rank());
        let element = |i: usize, j: usize| {
            let shared: f64 = (0..rank).map(|r| w[i * rank + r] * w[j * rank + r]).sum();
            shared + if i == j { f.variance()[i] } else { 0.0 }
        };
        (0..5).flat_map(|i| (0..5).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
    }

    /// scikit-learn 1.8:
    /// i = np.arange(1, 2001)[:, None]; u = lambda roots: np.sqrt(12) * ((i * np.sqrt(roots)) % 1 - 0.5)
    /// x = u([2.]) @ [LOADING] + u([3., 5., 7., 11., 13.]) * SPREAD + CENTRE
    /// `FactorAnalysis(1, tol=1e-12, max_iter=100000).fit(x).get_covariance()`
    const COVARIANCE: [[f64; 5]; 5] = [
        [4.24847, -1.97172, 1.00029, 1.97841, -0.00393],
        [-1.97172, 1.97493, -0.4927, -0.97448, 0.00194],
        [1.00029, -0.4927, 0.34009, 0.49437, -0.00098],
        [1.97841, -0.97448, 0.49437, 4.96931, -0.00194],
        [-0.00393, 0.00194, -0.00098, -0.00194, 0.48985],
    ];

    fn worst(mixture: &[Factors]) -> f64 {
        let scale = |i: usize, j: usize| (COVARIANCE[i][i] * COVARIANCE[j][j]).sqrt();
        let got = covariance(&mixture[0]);
        (0..25).map(|at| ((got[at] - COVARIANCE[at / 5][at % 5]) / scale(at / 5, at % 5)).abs()).fold(0.0, f64::max)
    }

    fn settings(components: usize) -> MixtureSettings {
        MixtureSettings { components, rank: 1, iterations: 2000, gain: 1e-9, seed: 3 }
    }

    #[test]
    fn one_factor_analyser_is_that_of_scikit_learn() {
        let mixture = fit(&stars(|_, _| true), 5, &[0], settings(1)).unwrap();
        assert!(worst(&mixture) < 0.01, "{} {mixture:?}", worst(&mixture));
        assert!(mixture[0].mean().iter().zip(CENTRE).all(|(a, b)| (a - b).abs() < 0.01), "{mixture:?}");
    }

    #[test]
    fn missing_elements_do_not_bias_the_fit() {
        let with_gaps = stars(|star, d| (star * 7 + d * 3) % 10 >= 3);
        let mixture = fit(&with_gaps, 5, &[0], settings(1)).unwrap();
        assert!(worst(&mixture) < 0.05, "{} {mixture:?}", worst(&mixture));
    }

    #[test]
    fn clusters_become_components_and_the_seed_decides_all() {
        let shifted = |star: Observed, by: f64| star.into_iter().map(|(d, x)| (d, x + by)).collect::<Observed>();
        let all = stars(|_, d| d < 3);
        let both: Vec<Observed> =
            all.into_iter().enumerate().map(|(i, s)| shifted(s, if i % 4 == 0 { 30.0 } else { 0.0 })).collect();
        let mut mixture = fit(&both, 5, &[0, 1], settings(2)).unwrap();
        assert_eq!(mixture, fit(&both, 5, &[0, 1], settings(2)).unwrap());
        mixture.sort_by(|a, b| a.mean()[0].total_cmp(&b.mean()[0]));
        assert!((mixture[0].weight() - 0.75).abs() < 1e-3 && (mixture[1].weight() - 0.25).abs() < 1e-3, "{mixture:?}");
        assert!((mixture[1].mean()[2] - 28.0).abs() < 0.2, "{mixture:?}");
        // No star has the last two elements, so they stay at the values of all stars.
        for f in &mixture {
            assert!((f.variance()[3] / SMALLEST_VARIANCE - 1.0).abs() < 1e-6 && f.mean()[3] == 0.0, "{f:?}");
            assert!(f.loading()[3..].iter().all(|w| *w == 0.0), "{f:?}");
        }
    }
}
