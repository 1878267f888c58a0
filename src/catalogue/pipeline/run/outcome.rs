//! The outcome of a run.

use lamcat_release::publish::Current;

use crate::pipeline::report::StageTime;

/// The outcome of a run.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    /// The release that is current now.
    pub release: Current,
    /// Rows of the catalogue.
    pub rows: u64,
    /// Tiles of the catalogue.
    pub tiles: usize,
    /// Units that this run computed.
    pub units_here: usize,
    /// Units that other runs computed, at the same time or earlier.
    pub units_elsewhere: usize,
    /// Rows of the input that this run sent through the model.
    pub rows_inferred: u64,
    /// The time that each stage of this run took, in order; none if there was nothing to do.
    pub stages: Vec<StageTime>,
    /// The page about the release; `None` if it could not be made.
    pub report: Option<String>,
    /// Gates that the release fails, in words; it was published all the same.
    pub failed_gates: Vec<String>,
}
