//! Chooses what a training step shows and requests of one star (Leung & Bovy 2023, section 4): its tokens in a random
//! order, cropped to the context, with the last few slots blanked, and one or several of its tokens as requests. In the
//! training of the published model a requested token may by chance also be shown, and only single tokens are hidden;
//! [`Hiding`] has other ways.

use lamcat_core::schema::Vocabulary;
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::settings::{Blank, Hiding, Requests, Settings};

/// Tokens that are never requested: they are only inputs of the published model.
const INPUT_ONLY: [&str; 2] = ["bprp", "jk"];
/// Minimum number of slots that the random blanks leave: up to 59 of 64 are blanked.
const LEAST_SLOTS: usize = 5;

/// Tokens that are measured together, and are therefore missing together: each block of coefficients, the colours, and
/// the labels.
#[derive(Debug, Clone)]
struct Groups {
    /// The group of each token.
    of: Vec<usize>,
    /// Number of blocks. The groups before the colours are these blocks of coefficients.
    blocks: usize,
}

impl Groups {
    fn new(vocabulary: &Vocabulary) -> Self {
        let blocks = vocabulary.blocks().count();
        let ids = 1..=vocabulary.len() as u32;
        let mut of: Vec<usize> = ids.map(|id| blocks + usize::from(!vocabulary.is_colour(id))).collect();
        for (group, (_, ids)) in vocabulary.blocks().enumerate() {
            for id in ids {
                of[*id as usize - 1] = group;
            }
        }
        Self { of, blocks }
    }

    /// Number of groups.
    fn count(&self) -> usize {
        self.blocks + 2
    }

    fn is_coefficient(&self, token: usize) -> bool {
        self.of[token] < self.blocks
    }
}

/// The part of a star that a step sees: indices of tokens in its row.
#[derive(Debug)]
pub(super) struct Draw {
    pub(super) shown: Vec<usize>,
    pub(super) asked: Vec<usize>,
}

/// Draws the shown and the requested tokens.
#[derive(Debug, Clone)]
pub(super) struct InputSampler {
    requestable: Vec<bool>,
    groups: Groups,
    context_length: usize,
    blank: Blank,
    hiding: Hiding,
    requests: Requests,
}

impl InputSampler {
    pub(super) fn new(vocabulary: &Vocabulary, settings: &Settings) -> Self {
        let names = vocabulary.tokens().iter().map(|t| t.name.as_str());
        let requestable = names.map(|name| !INPUT_ONLY.contains(&name)).collect();
        let groups = Groups::new(vocabulary);
        let Settings { blank, hiding, requests, .. } = *settings;
        Self { requestable, groups, context_length: settings.architecture.context_length, blank, hiding, requests }
    }

    /// Whether something can be requested of a star with these values, NaN where missing.
    pub(super) fn is_usable(&self, row: &[f32]) -> bool {
        row.iter().zip(&self.requestable).any(|(value, ask)| *ask && !value.is_nan())
    }

    /// Draws the shown and the requested tokens of a star with these values, NaN where missing. The star must be
    /// [usable](Self::is_usable).
    pub(super) fn draw(&self, row: &[f32], rng: &mut ChaCha8Rng) -> Draw {
        let valid: Vec<usize> = (0..row.len()).filter(|t| !row[*t].is_nan()).collect();
        let askable = valid.iter().copied().filter(|t| self.requestable[*t]).collect();
        let asked = self.ask(askable, valid.len(), rng);
        let mut visible = self.visible(valid, &asked, rng);
        let blank = rng.random_range(0..=self.context_length - LEAST_SLOTS);
        let whole = self.hiding.whole > 0.0 && rng.random::<f32>() < self.hiding.whole;
        let kept = self.kept(visible.len(), if whole { 0 } else { blank });
        Draw { shown: visible.partial_shuffle(rng, kept).0.to_vec(), asked }
    }

    /// Returns the tokens that are not hidden. Groups are not hidden if no token would be left.
    fn visible(&self, mut valid: Vec<usize>, asked: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
        if self.hiding.asked {
            valid.retain(|t| !asked.contains(t));
        }
        if self.hiding.groups <= 0.0 {
            return valid;
        }
        let hidden: Vec<bool> = (0..self.groups.count()).map(|_| rng.random::<f32>() < self.hiding.groups).collect();
        let shown: Vec<usize> = valid.iter().copied().filter(|t| !hidden[self.groups.of[*t]]).collect();
        if shown.is_empty() { valid } else { shown }
    }

    /// Draws a star's requests among its `askable` tokens, each at most once unless there are too few. If the requested
    /// tokens are hidden, one of the star's `valid` tokens is left as input.
    fn ask(&self, mut askable: Vec<usize>, valid: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let Requests { count, labels } = self.requests;
        let most = if self.hiding.asked { count.min(valid.saturating_sub(1).max(1)) } else { count };
        let mut asked = match labels {
            None => askable.partial_shuffle(rng, most).0.to_vec(),
            Some(share) => {
                askable.shuffle(rng);
                let coefficient = |t: &usize| self.groups.is_coefficient(*t);
                let (coefficients, mut others): (Vec<_>, Vec<_>) = askable.iter().copied().partition(coefficient);
                let wanted = (0..count).filter(|_| rng.random::<f32>() < share).count();
                let leftover = others.split_off(wanted.min(others.len()));
                others.into_iter().chain(coefficients).chain(leftover).take(most).collect()
            }
        };
        for i in 0..count.saturating_sub(asked.len()) {
            asked.push(asked[i]);
        }
        asked
    }

    /// Returns the number of tokens that a star with `visible` tokens shows if `blank` slots are blanked.
    fn kept(&self, visible: usize, blank: usize) -> usize {
        let shown = self.context_length - blank;
        match self.blank {
            Blank::Slots => visible.min(shown),
            Blank::Share => (visible.min(self.context_length) * shown).div_ceil(self.context_length),
        }
    }
}
