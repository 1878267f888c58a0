//! The training domain of a model: the distribution of the coefficients of its training stars, and a measure of how
//! unlike them a spectrum is.
//!
//! A mixture of factor analysers ([`Factors`]) describes the standardised coefficients, which are softened first so
//! that outliers are not too far away. The coefficients of a spectrum that the model reads are compared with the
//! component from which they most probably come. Missing coefficients are integrated out. The squared Mahalanobis
//! distance d² of n coefficients becomes a deviate of the standard normal distribution by the cube-root transformation
//! of Wilson & Hilferty (1931, PNAS 17, 684),
//!
//! ```text
//! score = ((d² / n)^(1/3) - (1 - 2 / 9n)) / sqrt(2 / 9n)
//! ```
//!
//! so that scores from few and from many coefficients are comparable; a larger score means that the spectrum is less
//! like any training star. If the distributions are normal, scores are positive as often as negative. Real
//! distributions have longer tails than normal ones: the limit for a score is therefore a
//! [threshold](Domain::threshold) measured on training stars that were left out of a fit.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary},
};

use super::factors::{Factors, nearest};

/// Prefix of the names of a domain's tensors in a model file.
pub(super) const PREFIX: &str = "domain.";
/// The rest of these names.
const TENSORS: [&str; 6] = ["tokens", "weight", "mean", "loading", "variance", "threshold"];

/// The distribution of a model's training stars.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    tokens: Vec<TokenId>,
    mixture: Vec<Factors>,
    threshold: f32,
    /// The dimension of each token, by token id.
    dimensions: Vec<Option<usize>>,
}

/// Maps a standardised value to the scale of the domain's distributions: `asinh`, which is linear within the spread of
/// the training set and logarithmic beyond it. An infinite value counts as the largest finite one; NaN stays NaN.
#[must_use]
pub fn soften(standardised: f32) -> f64 {
    f64::from(standardised.clamp(f32::MIN, f32::MAX)).asinh()
}

impl Domain {
    /// Creates a domain of the softened values of `tokens`, each of which is one dimension of `mixture`. A star is
    /// outside the domain if its score exceeds `threshold`.
    ///
    /// # Errors
    /// If there is no token or no distribution, a token is padding or occurs twice, the sizes do not match, or the
    /// threshold is not finite.
    pub fn new(tokens: Vec<TokenId>, mixture: Vec<Factors>, threshold: f32) -> Result<Self> {
        let rank = mixture.first().map_or(0, Factors::rank);
        if tokens.is_empty() || mixture.iter().any(|f| f.mean().len() != tokens.len() || f.rank() != rank) || rank == 0
        {
            return Err(unusable("its sizes do not fit each other"));
        }
        if !threshold.is_finite() {
            return Err(unusable("its threshold is not finite"));
        }
        let ids = tokens.iter().max().map_or(0, |id| *id as usize + 1);
        let mut dimensions = vec![None; ids];
        for (dimension, token) in tokens.iter().enumerate() {
            if *token == 0 || dimensions[*token as usize].replace(dimension).is_some() {
                return Err(unusable("a token is padding or occurs twice").at("token", token));
            }
        }
        Ok(Self { tokens, mixture, threshold, dimensions })
    }

    /// The tokens whose values the score uses.
    #[must_use]
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// The components of the mixture.
    #[must_use]
    pub fn mixture(&self) -> &[Factors] {
        &self.mixture
    }

    /// The largest score inside the domain.
    #[must_use]
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// The same domain with another threshold.
    ///
    /// # Errors
    /// If it is not finite.
    pub fn with_threshold(self, threshold: f32) -> Result<Self> {
        Self::new(self.tokens, self.mixture, threshold)
    }

    /// Returns how unlike the training stars a context is, see [`Domain`]. `tokens` and standardised `values` are those
    /// of the context's slots, 0 for padding. The result is `None` if the context holds no coefficient that the domain
    /// covers, or one of them is NaN.
    #[must_use]
    pub fn score(&self, tokens: &[TokenId], values: &[f32]) -> Option<f32> {
        let dimension = |token: &TokenId| self.dimensions.get(*token as usize).copied().flatten();
        let observed: Vec<(usize, f64)> =
            tokens.iter().zip(values).filter_map(|(t, v)| Some((dimension(t)?, soften(*v)))).collect();
        self.score_of(&observed)
    }

    /// Returns the score of softened values, each a `(dimension, value)`; `None` if there is no value or one is NaN.
    #[must_use]
    pub fn score_of(&self, observed: &[(usize, f64)]) -> Option<f32> {
        if observed.is_empty() {
            return None;
        }
        Some(normal_deviate(nearest(&self.mixture, observed)?, observed.len()) as f32)
    }

    /// Returns the tensors for a model file, by name: `domain.tokens` (dimensions), `domain.weight` (distributions),
    /// `domain.mean` and `domain.variance` (distributions, dimensions), `domain.loading` (distributions, dimensions,
    /// rank) and `domain.threshold` (1).
    pub(super) fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let (k, d) = (self.mixture.len(), self.tokens.len());
        let rank = self.mixture[0].rank();
        let all = |part: fn(&Factors) -> &[f64]| -> Vec<f32> {
            self.mixture.iter().flat_map(part).map(|v| *v as f32).collect()
        };
        let weight: Vec<f32> = self.mixture.iter().map(|f| f.weight() as f32).collect();
        let cpu = &Device::Cpu;
        let tensors = [
            ("tokens", Tensor::from_slice(&self.tokens, d, cpu)?),
            ("weight", Tensor::from_vec(weight, k, cpu)?),
            ("mean", Tensor::from_vec(all(Factors::mean), (k, d), cpu)?),
            ("loading", Tensor::from_vec(all(Factors::loading), (k, d, rank), cpu)?),
            ("variance", Tensor::from_vec(all(Factors::variance), (k, d), cpu)?),
            ("threshold", Tensor::from_slice(&[self.threshold], 1, cpu)?),
        ];
        Ok(tensors.into_iter().map(|(name, tensor)| (format!("{PREFIX}{name}"), tensor)).collect())
    }

    /// Reads the domain from the tensors of a model file; `None` if the file has no domain.
    ///
    /// # Errors
    /// If a tensor is missing, unknown, or of the wrong shape or type, a number is not usable, or a token is not in
    /// `vocabulary`.
    pub(super) fn from_tensors(tensors: &BTreeMap<String, Tensor>, vocabulary: &Vocabulary) -> Result<Option<Self>> {
        if tensors.is_empty() {
            return Ok(None);
        }
        Self::read(tensors, vocabulary).map(Some).map_err(|e| e.hint("copy the model file again"))
    }

    fn read(tensors: &BTreeMap<String, Tensor>, vocabulary: &Vocabulary) -> Result<Self> {
        if let Some(name) = tensors.keys().find(|name| !TENSORS.contains(&name[PREFIX.len()..].as_ref())) {
            return Err(unusable("a tensor is unknown").at("tensor", name));
        }
        let misshapen =
            |name: &str| unusable("a tensor has the wrong shape or type").at("tensor", format!("{PREFIX}{name}"));
        let get = |name: &str| {
            let tensor = tensors.get(&format!("{PREFIX}{name}"));
            tensor.ok_or_else(|| unusable("a tensor is missing").at("tensor", format!("{PREFIX}{name}")))
        };
        let flat = |name: &str, shape: &[usize]| -> Result<Vec<f64>> {
            let tensor = get(name)?;
            if tensor.dims() != shape || tensor.dtype() != DType::F32 {
                return Err(misshapen(name));
            }
            Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
        };
        let tokens: Vec<TokenId> = get("tokens")?.to_vec1().map_err(|e| misshapen("tokens").source(e))?;
        all_known(&tokens, vocabulary)?;
        let (k, d, rank) = get("loading")?.dims3().map_err(|e| misshapen("loading").source(e))?;
        if [k, d, rank].contains(&0) || d != tokens.len() {
            return Err(unusable("its sizes do not fit each other"));
        }
        let (weight, mean) = (flat("weight", &[k])?, flat("mean", &[k, d])?);
        let (loading, variance) = (flat("loading", &[k, d, rank])?, flat("variance", &[k, d])?);
        let part = |values: &[f64], i: usize, size: usize| values[i * size..(i + 1) * size].to_vec();
        let factors =
            |i| Factors::new(weight[i], part(&mean, i, d), part(&loading, i, d * rank), part(&variance, i, d));
        let mixture = (0..k).map(factors).collect::<Result<Vec<_>>>().map_err(|e| unusable("its mixture").source(e))?;
        Self::new(tokens, mixture, flat("threshold", &[1])?[0] as f32)
    }

    /// Checks that a model with this vocabulary can have the domain.
    ///
    /// # Errors
    /// If a token is not in `vocabulary`.
    pub(super) fn check(&self, vocabulary: &Vocabulary) -> Result<()> {
        all_known(&self.tokens, vocabulary)
    }
}

/// Checks that all tokens belong to a vocabulary. The tokens of a file are checked before memory is allocated for the
/// largest of them.
fn all_known(tokens: &[TokenId], vocabulary: &Vocabulary) -> Result<()> {
    match tokens.iter().find(|token| **token as usize > vocabulary.len()) {
        Some(token) => Err(unusable("a token is not in the vocabulary").at("token", token)),
        None => Ok(()),
    }
}

/// Returns the deviate of the standard normal distribution whose upper tail is that of a squared distance of `n`
/// elements.
fn normal_deviate(squared_distance: f64, n: usize) -> f64 {
    let spread = 2.0 / (9.0 * n as f64);
    ((squared_distance.max(0.0) / n as f64).cbrt() - (1.0 - spread)) / spread.sqrt()
}

fn unusable(why: &str) -> Error {
    Error::new(ErrorKind::Model, format!("the training domain is not usable: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> Domain {
        let one = Factors::new(0.5, vec![0.0; 3], vec![1.0, 0.0, 0.5], vec![1.0, 2.0, 0.5]).unwrap();
        let other = Factors::new(0.5, vec![3.0, 3.0, 3.0], vec![0.1; 3], vec![0.2; 3]).unwrap();
        Domain::new(vec![1, 2, 4], vec![one, other], 3.0).unwrap()
    }

    // scipy.stats.norm.isf(scipy.stats.chi2.sf(d2, n)), which the transformation approximates.
    #[test]
    fn scores_are_normal_deviates_of_the_tail() {
        for (squared, n, exact) in [(10.0, 10, 0.1497), (30.0, 10, 3.1359), (100.0, 64, 2.7838)] {
            assert!((normal_deviate(squared, n) - exact).abs() < 0.03, "{squared} {n}: {}", normal_deviate(squared, n));
        }
    }

    #[test]
    fn a_context_is_compared_with_its_most_probable_distribution() {
        let d = domain();
        let near = d.score(&[1, 0, 4, 3], &[0.1, 0.0, 0.2, 50.0]).unwrap();
        assert!(near < 0.0, "{near}");
        let z = 3f32.sinh();
        assert!(d.score(&[1, 2, 4], &[z, z, z]).unwrap() < 0.0, "the other one");
        assert!(d.score(&[1, 2, 4], &[z, -z, z]).unwrap() > d.threshold());
        assert_eq!(d.score(&[0, 3, 9], &[0.0, 1.0, 1.0]), None);
        assert_eq!(d.score(&[1], &[f32::NAN]), None);
        let strangest = d.score(&[1, 2], &[f32::INFINITY, f32::NEG_INFINITY]).unwrap();
        assert!(strangest.is_finite() && strangest > d.threshold(), "{strangest}");
    }

    #[test]
    fn tensors_hold_all_of_it_and_damage_is_named() {
        let (d, vocabulary) = (domain(), Vocabulary::leung_bovy_2023());
        let tensors = d.tensors().unwrap();
        assert_eq!(Domain::from_tensors(&tensors, &vocabulary).unwrap(), Some(d));
        assert_eq!(Domain::from_tensors(&BTreeMap::new(), &vocabulary).unwrap(), None);
        let damaged = |name: &str, tensor: Option<Tensor>| {
            let mut tensors = tensors.clone();
            tensors.remove(name);
            tensors.extend(tensor.map(|t| (name.to_owned(), t)));
            Domain::from_tensors(&tensors, &vocabulary).unwrap_err().to_string()
        };
        let cpu = &Device::Cpu;
        let e = damaged("domain.mean", None);
        assert!(
            e.contains("a tensor is missing (tensor domain.mean)") && e.contains("hint: copy the model file again"),
            "{e}"
        );
        for damage in [Tensor::zeros((2, 2), DType::F32, cpu), Tensor::zeros((3, 2), DType::F32, cpu)] {
            let e = damaged("domain.mean", Some(damage.unwrap()));
            assert!(e.contains("the wrong shape or type (tensor domain.mean)"), "{e}");
        }
        let e = damaged("domain.threshold", Some(Tensor::zeros(1, DType::F64, cpu).unwrap()));
        assert!(e.contains("the wrong shape or type (tensor domain.threshold)"), "{e}");
        let e = damaged("domain.means", Some(Tensor::zeros(1, DType::F32, cpu).unwrap()));
        assert!(e.contains("a tensor is unknown (tensor domain.means)"), "{e}");
        let e = damaged("domain.variance", Some(Tensor::zeros((2, 3), DType::F32, cpu).unwrap()));
        assert!(e.contains("a variance is not positive"), "{e}");
        let e = damaged("domain.mean", Some(Tensor::full(f32::NAN, (2, 3), cpu).unwrap()));
        assert!(e.contains("a mean or loading is not finite"), "{e}");
        let e = damaged("domain.weight", Some(Tensor::full(2f32, 2, cpu).unwrap()));
        assert!(e.contains("a weight is not in (0, 1]"), "{e}");
        let e = damaged("domain.threshold", Some(Tensor::full(f32::NAN, 1, cpu).unwrap()));
        assert!(e.contains("its threshold is not finite"), "{e}");
        let e = damaged("domain.tokens", Some(Tensor::new(&[1u32, 2, 500], cpu).unwrap()));
        assert!(e.contains("a token is not in the vocabulary (token 500)"), "{e}");
        let e = damaged("domain.tokens", Some(Tensor::new(&[1u32, 2, 2], cpu).unwrap()));
        assert!(e.contains("a token is padding or occurs twice (token 2)"), "{e}");
    }
}
