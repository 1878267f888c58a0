//! Fits the [`Domain`] of a model to its training set.
//!
//! The mixture is fitted to at most [`FITTED_STARS`] spectra, each of them once. A spectrum with several copies in the
//! set is more likely to be among them, and all copies count when the threshold is determined.
//!
//! The threshold is determined with stars that were not fitted: the spectra are divided into [`FOLDS`] parts, with all
//! copies of a spectrum in the same part, and the scores of each part come from a mixture that was fitted to the other
//! parts. The domain's own mixture is then fitted to all of them.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary},
};
use lamcat_model::{Domain, soften};
use rayon::prelude::*;

use super::{
    factor_mixture::{MixtureSettings, Observed, SMALLEST_VARIANCE, fit},
    mix::mix,
    set::TrainingSet,
};

/// Number of components of the mixture, and of latent factors of each: enough for the curved sequence of the stars at
/// all noise levels.
const COMPONENTS: usize = 8;
const RANK: usize = 8;
/// Maximum number of iterations of the fit, and the growth of the stars' mean log density per iteration below which the
/// fit ends.
const ITERATIONS: usize = 30;
const GAIN: f64 = 1e-3;
/// Maximum number of spectra that are fitted.
const FITTED_STARS: usize = 20_000;
/// Minimum number of fitted spectra with a coefficient; a coefficient that fewer spectra have is left out.
const STARS_OF_A_COEFFICIENT: usize = 50;
/// Number of the lowest coefficients of each block that are used for the initial clustering of the stars.
const ANCHORS: usize = 4;
/// Number of parts of the cross-validation. With only two, each fit would have half of the stars, and its scores would
/// be well above the domain's own.
const FOLDS: u64 = 4;
/// Makes a spectrum's part independent of the decision whether it is fitted.
const FOLD_KEY: u64 = 0x666f_6c64;

/// The domain of a training set, and the scores of its stars.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainFit {
    /// The domain.
    pub domain: Domain,
    /// Scores of the rows that have coefficients, ascending, each from a mixture that was not fitted to its spectrum.
    pub scores: Vec<f32>,
    /// Number of different spectra among these rows.
    pub spectra: usize,
    /// Names of the coefficients that the domain leaves out because hardly any star has them or they are always the
    /// same.
    pub left_out: Vec<String>,
}

impl DomainFit {
    /// Default share of the training stars outside the domain: one in two hundred.
    pub const OUTSIDE: f64 = 0.005;
    /// Minimum number of different spectra per component of the mixture.
    pub const STARS: usize = 100;

    /// Fits the coefficients with which a bare spectrum fills a context of `context_length` slots, and sets the
    /// threshold to the score that a share `outside` of the stars exceeds if they are not part of the fit. The
    /// standardised values of `set` must be those of `vocabulary`. The same seed gives the same fit. The result is
    /// `None` if fewer than [`DomainFit::STARS`] different spectra have coefficients, or if all coefficients are left
    /// out.
    ///
    /// # Errors
    /// If the share is not in (0, 0.5].
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
        let mut spectra = Spectra::new(set, vocabulary, context_length);
        let chosen = spectra.choose(FITTED_STARS);
        let left_out = spectra.leave_out(&chosen, vocabulary);
        if chosen.len() < Self::STARS || spectra.columns.is_empty() {
            return Ok(None);
        }
        let components = (chosen.len() / Self::STARS).min(COMPONENTS);
        let without = |fold: u64| {
            let stars: Vec<Spectrum> = chosen.iter().copied().filter(|s| s.fold() != fold).collect();
            spectra.fit(&stars, components, seed)
        };
        let others = (0..FOLDS).map(without).collect::<Result<Vec<_>>>()?;
        let score = |spectrum: &Spectrum| {
            let other = &others[spectrum.fold() as usize];
            Some((other.score_of(&spectra.observed(spectrum.star))?, spectrum.copies))
        };
        let judged: Vec<(f32, usize)> = spectra.distinct.par_iter().filter_map(score).collect();
        let mut scores: Vec<f32> =
            judged.iter().flat_map(|(score, copies)| std::iter::repeat_n(*score, *copies)).collect();
        if scores.is_empty() {
            return Ok(None);
        }
        scores.sort_unstable_by(f32::total_cmp);
        let domain = spectra.fit(&chosen, components, seed)?.with_threshold(quantile(&scores, 1.0 - outside))?;
        Ok(Some(Self { domain, scores, spectra: judged.len(), left_out }))
    }

    /// Returns the score that a share `share` of the stars does not exceed.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f32 {
        quantile(&self.scores, share)
    }

    /// Returns the doubts about a fit with the requested share `outside`, one per line.
    #[must_use]
    pub fn doubts(&self, outside: f64) -> Vec<String> {
        let mut doubts = Vec::new();
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            doubts.push(format!(
                "hardly any star has these coefficients, or they never differ; the domain leaves them out: {names}"
            ));
        }
        if outside * (self.spectra as f64) < 1.0 {
            let spectra = self.spectra;
            doubts.push(format!("of {spectra} different spectra a share of {outside} is less than one: the threshold is the largest score"));
        }
        doubts
    }
}

/// Returns the nearest-rank quantile of ascending values.
fn quantile(ascending: &[f32], share: f64) -> f32 {
    let rank = (share * ascending.len() as f64).ceil() as usize;
    ascending[rank.clamp(1, ascending.len()) - 1]
}

/// A coefficient of the domain.
struct Column {
    /// Its id in the model's vocabulary.
    token: TokenId,
    /// Its index in the rows of the set.
    place: usize,
    /// Its order in its block.
    order: usize,
}

/// A spectrum of the set.
#[derive(Clone, Copy)]
struct Spectrum {
    /// Hash of its coefficients.
    key: u64,
    /// Index of its first row.
    star: usize,
    /// Number of its rows.
    copies: usize,
}

impl Spectrum {
    /// Returns the number by which spectra are sorted to choose some of them: every copy draws a number, and the lowest
    /// counts.
    fn draw(&self) -> u64 {
        (0..self.copies as u64).map(|copy| mix(self.key ^ mix(copy))).min().unwrap_or(u64::MAX)
    }

    /// Returns its part of the cross-validation, one of [`FOLDS`].
    fn fold(&self) -> u64 {
        mix(self.key ^ FOLD_KEY) % FOLDS
    }
}

/// The different spectra of a set, and their coefficients that are part of a domain.
struct Spectra<'a> {
    set: &'a TrainingSet,
    columns: Vec<Column>,
    distinct: Vec<Spectrum>,
}

impl<'a> Spectra<'a> {
    /// Finds the coefficients with which a bare spectrum fills a context, and the spectra that have any of them.
    fn new(set: &'a TrainingSet, vocabulary: &Vocabulary, context_length: usize) -> Self {
        let mut columns = Vec::new();
        let share = context_length / vocabulary.blocks().count();
        for (_, ids) in vocabulary.blocks() {
            for (order, &token) in ids.iter().take(share).enumerate() {
                if let Some(id) = set.vocabulary().id(&vocabulary.token(token).name) {
                    columns.push(Column { token, place: id as usize - 1, order });
                }
            }
        }
        let key = |star: usize| {
            let values = columns.iter().map(|c| set.row(star)[c.place]);
            let known = values.clone().any(|v| !v.is_nan());
            known.then(|| {
                values.fold(0, |hash, v| mix(hash ^ u64::from(if v.is_nan() { u32::MAX } else { v.to_bits() })))
            })
        };
        let mut keyed: Vec<(u64, usize)> =
            (0..set.rows()).into_par_iter().filter_map(|star| Some((key(star)?, star))).collect();
        keyed.sort_unstable();
        let spectrum = |rows: &[(u64, usize)]| Spectrum { key: rows[0].0, star: rows[0].1, copies: rows.len() };
        let distinct = keyed.chunk_by(|a, b| a.0 == b.0).map(spectrum).collect();
        Self { set, columns, distinct }
    }

    /// Returns at most `most` spectra, those with the lowest draws, in the order of their hashes.
    fn choose(&self, most: usize) -> Vec<Spectrum> {
        let mut chosen = self.distinct.clone();
        chosen.sort_by_cached_key(Spectrum::draw);
        chosen.truncate(most);
        chosen.sort_unstable_by_key(|spectrum| spectrum.key);
        chosen
    }

    /// Removes the coefficients that too few of these spectra have or that are the same in all, and returns their
    /// names.
    fn leave_out(&mut self, spectra: &[Spectrum], vocabulary: &Vocabulary) -> Vec<String> {
        let set = self.set;
        let says_something = |column: &Column| {
            let known: Vec<f64> =
                spectra.iter().map(|s| soften(set.row(s.star)[column.place])).filter(|v| !v.is_nan()).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / known.len() as f64;
            known.len() >= STARS_OF_A_COEFFICIENT && variance > SMALLEST_VARIANCE
        };
        let (kept, left_out): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.columns).into_iter().partition(says_something);
        self.columns = kept;
        left_out.iter().map(|column| vocabulary.token(column.token).name.clone()).collect()
    }

    /// Returns the softened coefficients of a star.
    fn observed(&self, star: usize) -> Observed {
        let row = self.set.row(star);
        let softened = self.columns.iter().map(|column| soften(row[column.place])).enumerate();
        softened.filter(|(_, value)| !value.is_nan()).collect()
    }

    fn fit(&self, spectra: &[Spectrum], components: usize, seed: u64) -> Result<Domain> {
        let stars: Vec<Observed> =
            spectra.iter().map(|s| self.observed(s.star)).filter(|observed| !observed.is_empty()).collect();
        let anchors: Vec<usize> = (0..self.columns.len()).filter(|d| self.columns[*d].order < ANCHORS).collect();
        let rank = RANK.min(self.columns.len());
        let components = components.min(stars.len());
        let settings = MixtureSettings { components, rank, iterations: ITERATIONS, gain: GAIN, seed };
        let mixture = fit(&stars, self.columns.len(), &anchors, settings)?;
        Domain::new(self.columns.iter().map(|c| c.token).collect(), mixture, 0.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rand_distr::StandardNormal;

    use super::*;
    use crate::{Columns, Normalisation};

    const DIMENSIONS: usize = 20;

    /// Independent normal coefficients, half of them from each band.
    fn normal(stars: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..stars * DIMENSIONS).map(|_| rng.sample(StandardNormal)).collect()
    }

    fn set(values: Vec<f32>) -> TrainingSet {
        let band = |b: &str| (0..DIMENSIONS / 2).map(move |i| format!("{b}{i}")).collect::<Vec<_>>();
        let tokens = [band("bp"), band("rp")].concat();
        let errors = vec![None; DIMENSIONS];
        TrainingSet::new(Columns { tokens, values, errors }, &Vocabulary::leung_bovy_2023(), Normalisation::Measured)
            .unwrap()
    }

    fn fit_of(set: &TrainingSet, outside: f64) -> DomainFit {
        DomainFit::new(set, set.vocabulary(), 64, outside, 0).unwrap().unwrap()
    }

    #[test]
    fn the_threshold_holds_for_stars_that_were_not_fitted() {
        let set = set(normal(300, 1));
        let fit = fit_of(&set, 0.05);
        let tokens = fit.domain.tokens().to_vec();
        let others = normal(2000, 2);
        let score = |values: &[f32]| {
            let standardised: Vec<f32> =
                tokens.iter().zip(values).map(|(t, v)| set.vocabulary().standardise(*t, f64::from(*v))).collect();
            fit.domain.score(&tokens, &standardised).unwrap()
        };
        let scores: Vec<f32> = others.chunks_exact(DIMENSIONS).map(score).collect();
        let outside = |threshold: f32| scores.iter().filter(|s| **s > threshold).count() as f64 / 2000.0;
        assert!(outside(fit.domain.threshold()) < 0.07, "{}", outside(fit.domain.threshold()));
        let mut fitted: Vec<f32> = (0..300).map(|star| fit.domain.score(&tokens, set.row(star)).unwrap()).collect();
        fitted.sort_unstable_by(f32::total_cmp);
        assert!(outside(quantile(&fitted, 0.95)) > 0.1, "the fitted stars look nearer than others");
    }

    #[test]
    fn copies_are_fitted_once_and_count_in_the_threshold() {
        let values = normal(300, 1);
        let once = fit_of(&set(values.clone()), 0.05);
        assert_eq!((once.spectra, once.scores.len()), (300, 300));
        let copied = |stars: usize| [values.clone(), values[..stars * DIMENSIONS].repeat(3)].concat();
        let thrice = fit_of(&set(copied(300)), 0.05);
        assert!(thrice.domain == once.domain && thrice.scores.len() == 1200);
        let some = set(copied(30));
        assert_eq!((fit_of(&some, 0.05).spectra, fit_of(&some, 0.05).scores.len()), (300, 390));
        // If a row is chosen with probability p, there are 30 (1 - (1 - p)^4) + 270 p = 100 spectra, of which 22 are
        // repeated ones.
        let chosen = Spectra::new(&some, some.vocabulary(), 64).choose(100);
        let repeated = chosen.iter().filter(|s| s.copies == 4).count();
        assert!((18..=28).contains(&repeated), "{repeated}");
    }

    #[test]
    fn coefficients_that_say_nothing_are_left_out_and_named() {
        let mut values = normal(300, 1);
        for (star, row) in values.chunks_exact_mut(DIMENSIONS).enumerate() {
            row[9] = 0.0;
            row[19] = if star < 49 { row[19] } else { f32::NAN };
        }
        let fit = fit_of(&set(values), 0.05);
        assert_eq!(fit.left_out, ["bp9", "rp9"]);
        assert_eq!(fit.domain.tokens().len(), DIMENSIONS - 2);
        let doubts = fit.doubts(0.001);
        assert!(doubts[0].ends_with(": bp9, rp9") && doubts[1].contains("less than one"), "{doubts:?}");
        assert!(fit.doubts(0.01).len() == 1);
    }
}
