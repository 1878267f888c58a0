//! Fits the [`Domain`] of a model to its training set.

use rayon::prelude::*;

use super::{
    factor_mixture::{MixtureSettings, Observed, fit},
    set::TrainingSet,
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::{Domain, Model, soften},
    schema::{TokenId, Vocabulary, XpBand},
};

/// Distributions of the mixture, and latent factors of each: enough for the curved sequence of the stars at all noises.
const COMPONENTS: usize = 8;
const RANK: usize = 8;
/// The fit ends after so many iterations, or when one makes the mean log density of a star grow by less than this.
const ITERATIONS: usize = 30;
const GAIN: f64 = 1e-3;
/// Stars that are fitted at most: the first ones of the set, whose order is that of a hash of their content.
const FITTED_STARS: usize = 20_000;
/// A coefficient that fewer of the fitted stars have is left out.
const STARS_OF_A_COEFFICIENT: usize = 50;
/// Lowest coefficients of each band by which the stars are first put into clusters.
const ANCHORS: usize = 4;

/// The domain of a training set, and the scores of its stars.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainFit {
    /// The domain.
    pub domain: Domain,
    /// Scores of the stars that have coefficients, ascending.
    pub scores: Vec<f32>,
}

impl DomainFit {
    /// Share of the training stars that lie outside unless another is asked for: one in a thousand.
    pub const OUTSIDE: f64 = 0.001;
    /// Stars that a distribution of the mixture needs at least.
    pub const STARS: usize = 100;

    /// Fits the coefficients that a bare spectrum fills a context of `context_length` slots with, and puts the threshold
    /// where a share of `outside` of the stars exceeds it. The standardised values of `set` must be those of
    /// `vocabulary`. The same seed gives the same fit. `None` if fewer than [`DomainFit::STARS`] stars have coefficients.
    ///
    /// # Errors
    /// If the share is not in (0, 0.5], or a value is infinite.
    pub fn new(
        set: &TrainingSet,
        vocabulary: &Vocabulary,
        context_length: usize,
        outside: f64,
        seed: u64,
    ) -> Result<Option<Self>> {
        if !(outside > 0.0 && outside <= 0.5) {
            return Err(Error::new(ErrorKind::Config, "the share of the stars outside the domain is out of its range")
                .at("share", outside)
                .hint("give a share above 0 and up to 0.5"));
        }
        let columns = columns(set, vocabulary, context_length);
        let observed = |star: usize| -> Observed {
            let row = set.row(star);
            let known = columns.iter().enumerate().filter(|(_, c)| row[c.place].is_finite());
            known.map(|(dimension, c)| (dimension, soften(row[c.place]))).collect()
        };
        let stars: Vec<Observed> = (0..set.rows()).map(observed).filter(|s| !s.is_empty()).take(FITTED_STARS).collect();
        if stars.len() < Self::STARS {
            return Ok(None);
        }
        let anchors: Vec<usize> = (0..columns.len()).filter(|d| columns[*d].order < ANCHORS).collect();
        let components = (stars.len() / Self::STARS).min(COMPONENTS);
        let rank = RANK.min(columns.len());
        let settings = MixtureSettings { components, rank, iterations: ITERATIONS, gain: GAIN, seed };
        let mixture = fit(&stars, columns.len(), &anchors, settings)?;
        let domain = Domain::new(columns.iter().map(|c| c.token).collect(), mixture, 0.0)?;
        let tokens = domain.tokens().to_vec();
        let score = |star: usize| {
            let row = set.row(star);
            let known = columns.iter().zip(&tokens).filter(|(c, _)| row[c.place].is_finite());
            let (tokens, values): (Vec<TokenId>, Vec<f32>) = known.map(|(c, token)| (*token, row[c.place])).unzip();
            domain.score(&tokens, &values)
        };
        let mut scores: Vec<f32> = (0..set.rows()).into_par_iter().filter_map(score).collect();
        scores.sort_unstable_by(f32::total_cmp);
        let threshold = quantile(&scores, 1.0 - outside);
        Ok(Some(Self { domain: domain.with_threshold(threshold)?, scores }))
    }

    /// The score that a share of `share` of the stars does not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f32 {
        quantile(&self.scores, share)
    }
}

/// The model with the domain of its training set, if the set has enough spectra.
///
/// # Errors
/// As [`DomainFit::new`].
pub(super) fn with_domain(model: Model, set: &TrainingSet, seed: u64) -> Result<Model> {
    let context_length = model.architecture().context_length;
    match DomainFit::new(set, model.vocabulary(), context_length, DomainFit::OUTSIDE, seed)? {
        Some(fit) => model.with_domain(fit.domain),
        None => Ok(model),
    }
}

/// The nearest-rank quantile of ascending values.
fn quantile(ascending: &[f32], share: f64) -> f32 {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending[rank.clamp(1, ascending.len()) - 1]
}

/// A coefficient of the domain.
struct Column {
    /// Its id in the model's vocabulary.
    token: TokenId,
    /// Its place in the rows of the set.
    place: usize,
    /// Its order in its band.
    order: usize,
}

/// The coefficients that a bare spectrum fills a context with and enough stars of the set have.
fn columns(set: &TrainingSet, vocabulary: &Vocabulary, context_length: usize) -> Vec<Column> {
    let mut columns = Vec::new();
    for band in [XpBand::Bp, XpBand::Rp] {
        for (order, &token) in vocabulary.coefficients(band).iter().take(context_length / 2).enumerate() {
            let Some(id) = set.vocabulary().id(&vocabulary.token(token).name) else { continue };
            let place = id as usize - 1;
            let known = |star: &usize| set.row(*star)[place].is_finite();
            if (0..set.rows().min(FITTED_STARS)).filter(known).count() >= STARS_OF_A_COEFFICIENT {
                columns.push(Column { token, place, order });
            }
        }
    }
    columns
}
