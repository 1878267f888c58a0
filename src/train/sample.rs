//! What a step sees of its stars (Leung & Bovy 2023, section 4): each star's tokens in a random order, cropped to the
//! context, the last few slots blanked, and one of its tokens asked for.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    set::TrainingSet,
    settings::{Blank, Settings},
};
use crate::{
    error::{Error, ErrorKind, Result},
    schema::{PADDING, TokenId},
};

/// Tokens that are never asked for: the published model has them as inputs only.
const INPUT_ONLY: [&str; 2] = ["bprp", "jk"];
/// Slots that the random blanks always leave: up to 59 of 64 are blanked.
const LEAST_SLOTS: usize = 5;

/// Stars with one request each, standardised, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Token of each slot, 0 = padding: `stars * context_length`.
    pub tokens: Vec<TokenId>,
    /// Value of each slot, 0 where padding: `stars * context_length`.
    pub values: Vec<f32>,
    /// The token asked for, per star.
    pub requests: Vec<TokenId>,
    /// Its value, per star.
    pub labels: Vec<f32>,
    /// The value's 1-sigma error, 0 where unknown, per star.
    pub label_errors: Vec<f32>,
}

impl Batch {
    /// Stars `range` as a batch of their own.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>, context_length: usize) -> Self {
        let slots = range.start * context_length..range.end * context_length;
        Self {
            tokens: self.tokens[slots.clone()].to_vec(),
            values: self.values[slots].to_vec(),
            requests: self.requests[range.clone()].to_vec(),
            labels: self.labels[range.clone()].to_vec(),
            label_errors: self.label_errors[range].to_vec(),
        }
    }
}

/// Draws batches; each is a function of the seed, the epoch and its place in the epoch.
#[derive(Debug, Clone)]
pub struct Sampler {
    requestable: Vec<bool>,
    training: Vec<u32>,
    validation: Vec<u32>,
    context_length: usize,
    batch: usize,
    blank: Blank,
    seed: u64,
}

impl Sampler {
    /// Splits the set's stars that can be asked for something into training and validation, by a hash of their place.
    ///
    /// # Errors
    /// If there are fewer training stars than a batch takes.
    pub fn new(set: &TrainingSet, settings: &Settings) -> Result<Self> {
        let names = set.vocabulary().tokens().iter();
        let requestable: Vec<bool> = names.map(|t| !INPUT_ONLY.contains(&t.name.as_str())).collect();
        let threshold = (Settings::VALIDATION * u64::MAX as f64) as u64;
        let usable = |row: &u32| set.row(*row as usize).iter().zip(&requestable).any(|(v, ask)| *ask && !v.is_nan());
        let (validation, training): (Vec<u32>, Vec<u32>) = (0..set.rows() as u32)
            .filter(usable)
            .partition(|row| mix(settings.seed ^ mix(u64::from(*row) + 1)) < threshold);
        if training.len() < settings.batch {
            return Err(Error::new(ErrorKind::Config, "the training set has fewer stars than a batch")
                .at("stars", set.rows())
                .at("of them to train on", training.len())
                .at("batch", settings.batch)
                .hint(
                    "a tenth of the stars is kept for validation; give a smaller --batch or a query with more rows",
                ));
        }
        let context_length = settings.architecture.context_length;
        let Settings { batch, blank, seed, .. } = *settings;
        Ok(Self { requestable, training, validation, context_length, batch, blank, seed })
    }

    /// Stars to train on.
    #[must_use]
    pub fn training_stars(&self) -> usize {
        self.training.len()
    }

    /// Stars kept for validation.
    #[must_use]
    pub fn validation_stars(&self) -> usize {
        self.validation.len()
    }

    /// Steps of an epoch; the stars that do not fill a last batch wait for another epoch's order.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        (self.training.len() / self.batch) as u64
    }

    /// The order of the training stars in an epoch.
    #[must_use]
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.training.clone();
        order.shuffle(&mut self.rng(epoch, u64::MAX));
        order
    }

    /// The batch at place `step` of an epoch with this [`order`](Self::order).
    #[must_use]
    pub fn draw(&self, set: &TrainingSet, order: &[u32], epoch: u64, step: u64) -> Batch {
        let start = step as usize * self.batch;
        self.fill(set, &order[start..start + self.batch], &mut self.rng(epoch, step))
    }

    /// Up to `most` validation stars, always the same in the same state.
    #[must_use]
    pub fn validation(&self, set: &TrainingSet, most: usize) -> Batch {
        let stars = &self.validation[..self.validation.len().min(most)];
        self.fill(set, stars, &mut self.rng(u64::MAX, 0))
    }

    fn fill(&self, set: &TrainingSet, stars: &[u32], rng: &mut ChaCha8Rng) -> Batch {
        let slots = stars.len() * self.context_length;
        let mut batch = Batch { tokens: vec![PADDING; slots], values: vec![0.0; slots], ..Batch::default() };
        let mut valid = Vec::with_capacity(set.tokens());
        let mut askable = Vec::with_capacity(set.tokens());
        for (i, &star) in stars.iter().enumerate() {
            let row = set.row(star as usize);
            valid.clear();
            valid.extend((0..row.len()).filter(|t| !row[*t].is_nan()));
            askable.clear();
            askable.extend(valid.iter().copied().filter(|t| self.requestable[*t]));
            let asked = askable[rng.random_range(0..askable.len())];
            batch.requests.push(asked as TokenId + 1);
            batch.labels.push(row[asked]);
            batch.label_errors.push(set.error(star as usize, asked));
            let blank = rng.random_range(0..=self.context_length - LEAST_SLOTS);
            let kept = self.kept(valid.len(), blank);
            let (chosen, _) = valid.partial_shuffle(rng, kept);
            for (slot, &token) in chosen.iter().enumerate() {
                batch.tokens[i * self.context_length + slot] = token as TokenId + 1;
                batch.values[i * self.context_length + slot] = row[token];
            }
        }
        batch
    }

    /// Tokens that a star of `valid` shows when `blank` slots are blanked.
    fn kept(&self, valid: usize, blank: usize) -> usize {
        let shown = self.context_length - blank;
        match self.blank {
            Blank::Slots => valid.min(shown),
            Blank::Share => (valid.min(self.context_length) * shown).div_ceil(self.context_length),
        }
    }

    fn rng(&self, epoch: u64, step: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(mix(self.seed ^ mix(epoch.wrapping_add(1))));
        rng.set_stream(step);
        rng
    }
}

/// The key of a step's dropout.
pub(super) fn dropout_key(seed: u64, step: u64) -> u64 {
    mix(mix(seed ^ 0x6472_6f70) ^ step)
}

/// A bijective hash of 64 bits (splitmix64's finaliser).
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Budget, Columns, Schedule, Size};

    const STARS: usize = 600;
    const CONTEXT: usize = 8;

    /// Stars of 20 tokens, the first (`bprp`) input only and the last missing in every other star.
    fn set() -> TrainingSet {
        let mut tokens: Vec<String> = (0..19).map(|i| format!("bp{i}")).collect();
        tokens.insert(0, "bprp".to_owned());
        let value = |i: usize| {
            if i % 40 == 39 { f32::NAN } else { (i as f32 * 0.37).sin() + (i % 20) as f32 }
        };
        let values = (0..STARS * 20).map(value).collect();
        let errors = std::iter::once(None).chain((1..20).map(|_| Some(vec![0.5; STARS]))).collect();
        TrainingSet::new(Columns { tokens, values, errors }, None).unwrap()
    }

    fn sampler(set: &TrainingSet, blank: Blank) -> Sampler {
        let architecture = crate::model::Architecture { context_length: CONTEXT, ..Size::Tiny.architecture() };
        let schedule = Schedule { budget: Budget::Steps(1), cycles: 1, rate: 1.0, floor: 0.0 };
        let settings = Settings { architecture, batch: 100, blank, schedule, dropout: 0.0, seed: 3, report_every: 1 };
        Sampler::new(set, &settings).unwrap()
    }

    #[test]
    fn a_batch_shows_each_star_some_of_its_tokens_and_asks_for_one() {
        let set = set();
        let sampler = sampler(&set, Blank::Slots);
        assert_eq!(sampler.training_stars() + sampler.validation_stars(), STARS);
        assert!((40..80).contains(&sampler.validation_stars()), "{}", sampler.validation_stars());
        let order = sampler.order(2);
        let batch = sampler.draw(&set, &order, 2, 1);
        assert_eq!(batch, sampler.draw(&set, &sampler.order(2), 2, 1), "a batch can be drawn again");
        let mut shown = [0usize; CONTEXT + 1];
        for (i, &star) in order[100..200].iter().enumerate() {
            let row = set.row(star as usize);
            let tokens = &batch.tokens[i * CONTEXT..(i + 1) * CONTEXT];
            let used = tokens.iter().filter(|t| **t != PADDING).count();
            assert!(tokens[used..].iter().all(|t| *t == PADDING), "blanks are last: {tokens:?}");
            shown[used] += 1;
            for (slot, token) in tokens[..used].iter().enumerate() {
                assert!((row[*token as usize - 1] - batch.values[i * CONTEXT + slot]).abs() < 1e-12);
                assert!(!tokens[..slot].contains(token), "a token is shown once");
            }
            assert_ne!(batch.requests[i], 1, "bprp is never asked for");
            assert!((row[batch.requests[i] as usize - 1] - batch.labels[i]).abs() < 1e-12);
            assert!(batch.label_errors[i] > 0.0);
        }
        assert!(shown[5..].iter().all(|n| *n > 10) && shown[..5].iter().all(|n| *n == 0), "{shown:?}");
    }

    #[test]
    fn every_training_star_comes_once_an_epoch_and_no_validation_star() {
        let set = set();
        let sampler = sampler(&set, Blank::Share);
        let mut order = sampler.order(0);
        assert_ne!(order, sampler.order(1));
        order.sort_unstable();
        let mut both = [order, sampler.validation.clone()].concat();
        both.sort_unstable();
        assert_eq!(both, (0..STARS as u32).collect::<Vec<_>>());
        assert_eq!((sampler.kept(20, 0), sampler.kept(20, 3), sampler.kept(4, 3), sampler.kept(1, 3)), (8, 5, 3, 1));
    }
}
