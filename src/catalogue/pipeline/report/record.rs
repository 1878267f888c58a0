//! The record of the run that made a release, stored beside its page.

use lamcat_release::{attempt::runner, clock};
use serde::{Deserialize, Serialize};

use super::gates::GateCheck;

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The model computes the units.
    Infer,
    /// The rows of units are sorted into tiles.
    Arrange,
    /// Margin, index and properties are written.
    Assemble,
    /// Every row of the release is read and checked.
    Verify,
    /// The gates are judged and the page about the release is written.
    Report,
    /// The release becomes the current one.
    Publish,
}

impl Stage {
    /// The name of the stage, a single word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Infer => "infer",
            Self::Arrange => "arrange",
            Self::Assemble => "assemble",
            Self::Verify => "verify",
            Self::Report => "report",
            Self::Publish => "publish",
        }
    }
}

/// The time that a stage took, and the rows that it processed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage.
    pub stage: Stage,
    /// Seconds from its start to its end.
    pub seconds: f64,
    /// Rows that this run processed in it, without those that other runs processed at the same time.
    pub rows: u64,
}

/// The record of the run that made a release: it says what no file of the release says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The process that finished the release: `machine:process`.
    pub runner: String,
    /// The time when it was finished: `2026-12-02T10:00:00Z`.
    pub time: String,
    /// The time that each stage took.
    pub stages: Vec<StageTime>,
    /// The gates, with the values of the release.
    pub gates: Vec<GateCheck>,
}

impl RunRecord {
    /// A record of this process, as of now.
    #[must_use]
    pub fn new(stages: Vec<StageTime>, gates: Vec<GateCheck>) -> Self {
        Self { runner: runner(), time: clock::now_seconds(), stages, gates }
    }

    /// Adds the stages of an earlier run that this one did not repeat. The gates of the earlier run are used if the
    /// release has been published since and is therefore not judged again.
    pub(super) fn after(mut self, earlier: Self) -> Self {
        if self.gates.is_empty() {
            self.gates = earlier.gates;
        }
        let own = std::mem::take(&mut self.stages);
        let old = earlier.stages.into_iter().filter(|old| own.iter().all(|new| new.stage != old.stage));
        self.stages = old.chain(own.iter().cloned()).collect();
        self
    }
}
