//! Settings of a training run.

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_model::Architecture;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// A preset of a network's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Width 32: for tests and first tries.
    Tiny,
    /// Width 64: a model that trains on a CPU.
    Small,
    /// The published sizes, width 128: 8.8 million parameters.
    Full,
}

impl Size {
    /// The sizes of this preset.
    #[must_use]
    pub fn architecture(self) -> Architecture {
        match self {
            Self::Tiny => Architecture::tiny(),
            Self::Small => Architecture {
                context_length: 64,
                width: 64,
                encoder_heads: 8,
                encoder_dense: 256,
                decoder_heads: 8,
                decoder_dense: 512,
                ..Architecture::tiny()
            },
            Self::Full => Architecture::leung_bovy_2023(),
        }
    }
}

/// What the random blanks of a context are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blank {
    /// Slots of the context, as the published model was trained: a star with fewer tokens than slots loses its empty ones
    /// first, so that it nearly always sees the token asked for.
    Slots,
    /// The same share of the star's own tokens, so that stars with few tokens teach as well.
    Share,
}

/// What else of a star is hidden; the published model's training hides nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hiding {
    /// Whether what is asked for is not shown, so that no request is answered by copying.
    pub asked: bool,
    /// Probability in [0, 1] that a group of tokens is hidden, each group by itself: BP, RP, colours, labels.
    pub groups: f32,
    /// Probability in [0, 1] that a star has no random blanks.
    pub whole: f32,
}

impl Hiding {
    /// As the published model was trained.
    pub const NONE: Self = Self { asked: false, groups: 0.0, whole: 0.0 };
}

/// How many tokens of a star a step asks for, and which.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Tokens asked of each star. They share the star's perception, so that more of them cost little.
    pub count: usize,
    /// Expected share in [0, 1] of the requests that go to tokens other than XP coefficients; `None` asks for any token
    /// alike, as the published model was trained.
    pub labels: Option<f32>,
}

impl Requests {
    /// Requests of a star at most: more than twice the published vocabulary.
    pub const MOST: usize = 256;
    /// One token, any alike.
    pub const ONE: Self = Self { count: 1, labels: None };
}

/// What decides the course of a training run; the same settings on the same set give the same losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sizes of the network.
    pub architecture: Architecture,
    /// Stars of a step.
    pub batch: usize,
    /// How much of a star is hidden.
    pub blank: Blank,
    /// What else is hidden.
    pub hiding: Hiding,
    /// What is asked of a star.
    pub requests: Requests,
    /// Length and learning rate.
    pub schedule: Schedule,
    /// Probability in [0, 1) that dropout drops an element.
    pub dropout: f32,
    /// Hash of the model whose weights training begins with; `None` for random ones.
    pub from: Option<String>,
    /// Seed of everything random: weights, split, sampling, dropout.
    pub seed: u64,
    /// Steps between reports.
    pub report_every: u64,
}

impl Settings {
    /// Share of the stars kept for validation.
    pub const VALIDATION: f64 = 0.1;

    /// Checks the settings.
    ///
    /// # Errors
    /// Names the setting that is out of its range.
    pub fn validate(&self) -> Result<()> {
        self.architecture.validate()?;
        let bad = |what: &'static str, value: String, range: &str| {
            Err(Error::new(ErrorKind::Config, format!("the setting {what} is out of its range"))
                .at("value", value)
                .hint(format!("{what} must be {range}")))
        };
        let schedule = &self.schedule;
        if self.batch == 0 {
            return bad("batch", self.batch.to_string(), "at least 1");
        }
        if !(1..=Requests::MOST).contains(&self.requests.count) {
            let allowed = format!("between 1 and {}", Requests::MOST);
            return bad("requests", self.requests.count.to_string(), &allowed);
        }
        let shares = [
            ("label-share", self.requests.labels.unwrap_or(0.0)),
            ("hide-groups", self.hiding.groups),
            ("whole", self.hiding.whole),
        ];
        if let Some((name, share)) = shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            return bad(name, share.to_string(), "in [0, 1]");
        }
        if self.architecture.context_length < 5 {
            return bad("context", self.architecture.context_length.to_string(), "at least 5");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return bad("dropout", self.dropout.to_string(), "in [0, 1)");
        }
        if !(schedule.rate.is_finite() && schedule.rate > 0.0) {
            return bad("lr", schedule.rate.to_string(), "positive");
        }
        if !(0.0..=schedule.rate).contains(&schedule.floor) {
            return bad("lr-floor", schedule.floor.to_string(), "between 0 and lr");
        }
        if schedule.cycles == 0 || self.report_every == 0 || schedule.budget.is_empty() {
            return bad("restarts, report-every, steps, epochs or time-limit", "0".to_owned(), "at least 1");
        }
        Ok(())
    }
}
