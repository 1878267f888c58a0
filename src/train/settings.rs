//! Settings of a training run.

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_model::Architecture;
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// A preset for the sizes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Width 32, for tests and first experiments.
    Tiny,
    /// Width 64, for a model that can be trained on a CPU.
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

/// The unit in which the random blanks of a context are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blank {
    /// Slots of the context, as in the training of the published model: a star with fewer tokens than slots loses its
    /// empty slots first, so that it nearly always shows the requested token.
    Slots,
    /// The same share of the star's own tokens, so that stars with few tokens are equally useful.
    Share,
}

/// Other parts of a star that are hidden; the training of the published model hides nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hiding {
    /// Whether the requested tokens are hidden, so that no request can be answered by copying.
    pub asked: bool,
    /// Probability in [0, 1] that a group of tokens is hidden, independently for each group: BP, RP, colours, labels.
    pub groups: f32,
    /// Probability in [0, 1] that a star gets no random blanks.
    pub whole: f32,
}

impl Hiding {
    /// The settings with which the published model was trained.
    pub const NONE: Self = Self { asked: false, groups: 0.0, whole: 0.0 };
}

/// The number and choice of the tokens of a star that a step requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Tokens requested per star. They share the star's perception, so additional ones cost little.
    pub count: usize,
    /// Expected share, in [0, 1], of the requests for tokens other than XP coefficients; `None` requests all tokens
    /// with equal probability, as in the training of the published model.
    pub labels: Option<f32>,
}

impl Requests {
    /// Maximum number of requests per star: more than twice the published vocabulary.
    pub const MOST: usize = 256;
    /// One token, all with equal probability.
    pub const ONE: Self = Self { count: 1, labels: None };
}

/// The settings that determine a training run; the same settings on the same set give the same losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Sizes of the network.
    pub architecture: Architecture,
    /// Stars per step.
    pub batch: usize,
    /// The random blanks.
    pub blank: Blank,
    /// Other parts of a star that are hidden.
    pub hiding: Hiding,
    /// The requests per star.
    pub requests: Requests,
    /// Duration and learning rate.
    pub schedule: Schedule,
    /// Dropout probability, in [0, 1).
    pub dropout: f32,
    /// Hash of the model with whose weights training begins; `None` for random weights.
    pub from: Option<String>,
    /// Seed for everything random: weights, split, sampling, dropout.
    pub seed: u64,
    /// Steps between reports.
    pub report_every: u64,
}

impl Settings {
    /// Share of the stars reserved for validation.
    pub const VALIDATION: f64 = 0.1;

    /// Checks the settings.
    ///
    /// # Errors
    /// If a setting is out of its range; the error names it.
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
