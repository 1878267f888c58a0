//! Batches of stars: which stars are used for training, in which order, and what a step sees of each.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{PADDING, TokenId},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    input_sampler::{Draw, InputSampler},
    mix::mix,
    set::TrainingSet,
    settings::Settings,
};

/// Stars, all with the same number of requests, standardised, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Number of stars.
    pub stars: usize,
    /// Token of each slot, 0 = padding: `stars * slots`.
    pub tokens: Vec<TokenId>,
    /// Value of each slot, 0 where padding: `stars * slots`.
    pub values: Vec<f32>,
    /// The requested tokens: `stars * requests`.
    pub requests: Vec<TokenId>,
    /// The true values of the requested tokens: `stars * requests`.
    pub labels: Vec<f32>,
    /// The 1-sigma errors of these values, 0 where unknown: `stars * requests`.
    pub label_errors: Vec<f32>,
}

impl Batch {
    /// Returns the stars in `range` as a batch, without the trailing slots that none of them fills.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        let of = |length: usize| {
            let each = length / self.stars.max(1);
            (each, range.start * each..range.end * each)
        };
        let ((slots, shown), (_, asked)) = (of(self.tokens.len()), of(self.requests.len()));
        let tokens = &self.tokens[shown.clone()];
        let filled = |star: &[TokenId]| star.iter().rposition(|t| *t != PADDING).map_or(1, |last| last + 1);
        let used = tokens.chunks(slots.max(1)).map(filled).max().unwrap_or(slots);
        let values = self.values[shown].chunks(slots.max(1)).flat_map(|star| &star[..used]);
        Self {
            stars: range.len(),
            tokens: tokens.chunks(slots.max(1)).flat_map(|star| &star[..used]).copied().collect(),
            values: values.copied().collect(),
            requests: self.requests[asked.clone()].to_vec(),
            labels: self.labels[asked.clone()].to_vec(),
            label_errors: self.label_errors[asked].to_vec(),
        }
    }
}

/// Draws batches; each is a function of the seed, the epoch and its index in the epoch.
#[derive(Debug, Clone)]
pub struct Sampler {
    inputs: InputSampler,
    training: Vec<u32>,
    validation: Vec<u32>,
    context_length: usize,
    batch: usize,
    seed: u64,
}

impl Sampler {
    /// Splits the usable stars of the set into training and validation by a hash of their content, so that copies of a
    /// star are on the same side.
    ///
    /// # Errors
    /// If there are fewer training stars than one batch needs.
    pub fn new(set: &TrainingSet, settings: &Settings) -> Result<Self> {
        let inputs = InputSampler::new(set.vocabulary(), settings);
        let threshold = (Settings::VALIDATION * u64::MAX as f64) as u64;
        let (validation, training): (Vec<u32>, Vec<u32>) = (0..set.rows() as u32)
            .filter(|row| inputs.is_usable(set.row(*row as usize)))
            .partition(|row| mix(settings.seed ^ mix(set.key(*row as usize))) < threshold);
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
        let Settings { batch, seed, .. } = *settings;
        Ok(Self { inputs, training, validation, context_length, batch, seed })
    }

    /// The number of stars to train on.
    #[must_use]
    pub fn training_stars(&self) -> usize {
        self.training.len()
    }

    /// The number of stars reserved for validation.
    #[must_use]
    pub fn validation_stars(&self) -> usize {
        self.validation.len()
    }

    /// The number of steps per epoch; stars that do not fill a last batch are left out of that epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        (self.training.len() / self.batch) as u64
    }

    /// Returns the order of the training stars in an epoch.
    #[must_use]
    pub fn order(&self, epoch: u64) -> Vec<u32> {
        let mut order = self.training.clone();
        order.shuffle(&mut self.rng(epoch, u64::MAX));
        order
    }

    /// Returns batch number `step` of an epoch with this [`order`](Self::order).
    #[must_use]
    pub fn draw(&self, set: &TrainingSet, order: &[u32], epoch: u64, step: u64) -> Batch {
        let start = step as usize * self.batch;
        self.fill(set, &order[start..start + self.batch], &mut self.rng(epoch, step))
    }

    /// Returns up to `most` validation stars; they and their tokens are always the same.
    #[must_use]
    pub fn validation(&self, set: &TrainingSet, most: usize) -> Batch {
        let stars = &self.validation[..self.validation.len().min(most)];
        self.fill(set, stars, &mut self.rng(u64::MAX, 0))
    }

    /// Draws the shown and the requested tokens of `stars`; stars that show fewest tokens come first, so that
    /// neighbours pass through the network with few empty slots.
    fn fill(&self, set: &TrainingSet, stars: &[u32], rng: &mut ChaCha8Rng) -> Batch {
        let mut draws: Vec<(usize, Draw)> =
            stars.iter().map(|star| (*star as usize, self.inputs.draw(set.row(*star as usize), rng))).collect();
        draws.sort_by_key(|(_, draw)| draw.shown.len());
        let slots = stars.len() * self.context_length;
        let mut batch =
            Batch { stars: stars.len(), tokens: vec![PADDING; slots], values: vec![0.0; slots], ..Batch::default() };
        for (i, (star, Draw { shown, asked })) in draws.into_iter().enumerate() {
            let row = set.row(star);
            for (slot, token) in shown.into_iter().enumerate() {
                batch.tokens[i * self.context_length + slot] = token as TokenId + 1;
                batch.values[i * self.context_length + slot] = row[token];
            }
            for token in asked {
                batch.requests.push(token as TokenId + 1);
                batch.labels.push(row[token]);
                batch.label_errors.push(set.error(star, token));
            }
        }
        batch
    }

    fn rng(&self, epoch: u64, step: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(mix(self.seed ^ mix(epoch.wrapping_add(1))));
        rng.set_stream(step);
        rng
    }
}

/// Returns the key of a step's dropout.
pub(super) fn dropout_key(seed: u64, step: u64) -> u64 {
    mix(mix(seed ^ 0x6472_6f70) ^ step)
}

#[cfg(test)]
mod tests {
    use lamcat_core::schema::Vocabulary;

    use super::*;
    use crate::{Blank, Budget, Columns, Hiding, Normalisation, Requests, Schedule, Size};

    const STARS: usize = 600;
    const CONTEXT: usize = 8;

    /// Returns stars with 20 tokens, of which the first (`bprp`) is only an input and the last is missing in every
    /// other star.
    fn set() -> TrainingSet {
        let mut tokens: Vec<String> = (0..19).map(|i| format!("bp{i}")).collect();
        tokens.insert(0, "bprp".to_owned());
        let value = |i: usize| {
            if i % 40 == 39 { f32::NAN } else { (i as f32 * 0.37).sin() + (i % 20) as f32 }
        };
        let values = (0..STARS * 20).map(value).collect();
        let errors = std::iter::once(None).chain((1..20).map(|_| Some(vec![0.5; STARS]))).collect();
        TrainingSet::new(Columns { tokens, values, errors }, &Vocabulary::leung_bovy_2023(), Normalisation::Measured)
            .unwrap()
    }

    fn sampler(set: &TrainingSet, blank: Blank, requests: Requests) -> Sampler {
        hiding(set, blank, requests, Hiding::NONE)
    }

    fn hiding(set: &TrainingSet, blank: Blank, requests: Requests, hiding: Hiding) -> Sampler {
        let architecture = lamcat_model::Architecture { context_length: CONTEXT, ..Size::Tiny.architecture() };
        let schedule = Schedule { budget: Budget::Steps(1), cycles: 1, rate: 1.0, floor: 0.0 };
        let (batch, dropout, seed, report_every) = (100, 0.0, 3, 1);
        let settings = Settings {
            architecture,
            batch,
            blank,
            hiding,
            requests,
            schedule,
            dropout,
            from: None,
            seed,
            report_every,
        };
        Sampler::new(set, &settings).unwrap()
    }

    #[test]
    fn a_batch_shows_each_star_some_of_its_tokens_and_asks_for_one() {
        let set = set();
        let sampler = sampler(&set, Blank::Slots, Requests::ONE);
        assert_eq!(sampler.training_stars() + sampler.validation_stars(), STARS);
        assert!((40..80).contains(&sampler.validation_stars()), "{}", sampler.validation_stars());
        let order = sampler.order(2);
        let batch = sampler.draw(&set, &order, 2, 1);
        assert_eq!(batch, sampler.draw(&set, &sampler.order(2), 2, 1), "a batch can be drawn again");
        let mut shown = [0usize; CONTEXT + 1];
        let mut stars = order[100..200].to_vec();
        for i in 0..100 {
            let tokens = &batch.tokens[i * CONTEXT..(i + 1) * CONTEXT];
            let used = tokens.iter().filter(|t| **t != PADDING).count();
            assert!(tokens[used..].iter().all(|t| *t == PADDING), "blanks are last: {tokens:?}");
            shown[used] += 1;
            let is = |value: f32, of: u32, token: u32| (set.row(of as usize)[token as usize - 1] - value).abs() < 1e-12;
            let values = &batch.values[i * CONTEXT..(i + 1) * CONTEXT];
            let saw = |star: &u32| tokens[..used].iter().zip(values).all(|(token, value)| is(*value, *star, *token));
            let place = stars.iter().position(saw).unwrap();
            let star = stars.swap_remove(place);
            assert!((1..used).all(|slot| !tokens[..slot].contains(&tokens[slot])), "a token is shown once");
            assert_ne!(batch.requests[i], 1, "bprp is never asked for");
            assert!(is(batch.labels[i], star, batch.requests[i]));
            assert!(batch.label_errors[i] > 0.0);
        }
        let counts = |i: usize| batch.tokens[i * CONTEXT..(i + 1) * CONTEXT].iter().filter(|t| **t != PADDING).count();
        assert!((1..100).all(|i| counts(i - 1) <= counts(i)), "those that show fewest are first");
        assert!(shown[5..].iter().all(|n| *n > 10) && shown[..5].iter().all(|n| *n == 0), "{shown:?}");
    }

    #[test]
    fn every_training_star_comes_once_an_epoch_and_no_validation_star() {
        let set = set();
        let sampler = sampler(&set, Blank::Share, Requests::ONE);
        let mut order = sampler.order(0);
        assert_ne!(order, sampler.order(1));
        order.sort_unstable();
        let mut both = [order, sampler.validation.clone()].concat();
        both.sort_unstable();
        assert_eq!(both, (0..STARS as u32).collect::<Vec<_>>());
    }

    #[test]
    fn a_star_is_asked_for_several_tokens_once_each() {
        let set = set();
        let sampler = self::sampler(&set, Blank::Share, Requests { count: 6, labels: None });
        let batch = sampler.draw(&set, &sampler.order(0), 0, 0);
        assert_eq!((batch.stars, batch.requests.len(), batch.labels.len()), (100, 600, 600));
        for asked in batch.requests.chunks(6) {
            assert!((0..6).all(|i| !asked[..i].contains(&asked[i]) && asked[i] != 1), "{asked:?}");
        }
        let sampler = self::sampler(&set, Blank::Share, Requests { count: 30, labels: None });
        let batch = sampler.draw(&set, &sampler.order(0), 0, 0);
        assert_eq!(batch.requests.len(), 3000, "a star with fewer tokens is asked for some of them again");
    }

    #[test]
    fn labels_get_their_share_of_the_requests() {
        let mut tokens: Vec<String> = (0..16).map(|i| format!("bp{i}")).collect();
        tokens.extend(["bprp", "teff", "logg", "m_h"].map(str::to_owned));
        let values = (0..STARS * 20).map(|i| (i as f32 * 0.37).sin() + (i % 20) as f32).collect();
        let set = TrainingSet::new(
            Columns { tokens, values, errors: vec![None; 20] },
            &Vocabulary::leung_bovy_2023(),
            Normalisation::Measured,
        )
        .unwrap();
        let share = |labels: f32| {
            let sampler = sampler(&set, Blank::Share, Requests { count: 4, labels: Some(labels) });
            let asked = sampler.draw(&set, &sampler.order(0), 0, 0).requests;
            asked.iter().filter(|t| **t > 17).count() as f64 / asked.len() as f64
        };
        assert!(share(0.0) < 1e-9 && (share(0.5) - 0.5).abs() < 0.06, "{} {}", share(0.0), share(0.5));
        assert!((share(1.0) - 0.75).abs() < 1e-9, "three labels, then coefficients: {}", share(1.0));
    }

    #[test]
    fn a_slice_leaves_out_what_none_of_its_stars_shows() {
        let set = set();
        let sampler = sampler(&set, Blank::Slots, Requests { count: 2, labels: None });
        let batch = sampler.draw(&set, &sampler.order(0), 0, 0);
        let slice = batch.slice(3..20);
        let slots = slice.tokens.len() / 17;
        assert!((5..CONTEXT).contains(&slots), "stars that show little are first: {slots}");
        for i in 0..17 {
            let whole = &batch.tokens[(i + 3) * CONTEXT..(i + 4) * CONTEXT];
            assert_eq!(slice.tokens[i * slots..(i + 1) * slots], whole[..slots]);
            assert!(whole[slots..].iter().all(|t| *t == PADDING));
        }
        assert_eq!((slice.requests.as_slice(), slice.values.len()), (&batch.requests[6..40], 17 * slots));
        assert_eq!(batch.slice(80..100).tokens.len(), 20 * CONTEXT);
    }

    #[test]
    fn what_is_asked_and_whole_groups_can_be_hidden() {
        let set = set();
        let hidden = Hiding { asked: true, groups: 0.5, whole: 1.0 };
        let sampler = hiding(&set, Blank::Share, Requests { count: 3, labels: None }, hidden);
        let batch = sampler.draw(&set, &sampler.order(0), 0, 0);
        let mut without_bp = 0;
        for (shown, asked) in batch.tokens.chunks(CONTEXT).zip(batch.requests.chunks(3)) {
            let shown: Vec<_> = shown.iter().filter(|t| **t != PADDING).collect();
            assert!(asked.iter().all(|t| !shown.contains(&t)), "{shown:?} {asked:?}");
            assert!(shown.len() == CONTEXT || shown == [&1], "nothing is blanked: {shown:?}");
            without_bp += usize::from(shown == [&1]);
        }
        assert!((10..50).contains(&without_bp), "bprp stays alone where BP is hidden and it is not: {without_bp}");
    }

    #[test]
    fn a_star_of_few_tokens_keeps_one_to_answer_from() {
        let tokens = ["teff", "logg", "m_h"].map(str::to_owned).to_vec();
        let values = (0..3 * STARS).map(|i| (i as f32 * 0.37).sin()).collect();
        let set = TrainingSet::new(
            Columns { tokens, values, errors: vec![None; 3] },
            &Vocabulary::leung_bovy_2023(),
            Normalisation::Measured,
        )
        .unwrap();
        let requests = Requests { count: 4, labels: Some(0.5) };
        let sampler = hiding(&set, Blank::Share, requests, Hiding { asked: true, groups: 0.0, whole: 1.0 });
        let batch = sampler.draw(&set, &sampler.order(0), 0, 0);
        for (shown, asked) in batch.tokens.chunks(CONTEXT).zip(batch.requests.chunks(4)) {
            assert!(shown[0] != PADDING && shown[1] == PADDING && !asked.contains(&shown[0]), "{shown:?} {asked:?}");
            assert!(asked[0] != asked[1] && asked[2..] == asked[..2], "two tokens twice: {asked:?}");
        }
    }
}
