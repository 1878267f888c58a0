//! What a run came to.

use crate::{pipeline::report::StageTime, release::publish::Current};

/// What a run came to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    /// The release that is current now.
    pub release: Current,
    /// Rows of the catalogue.
    pub rows: u64,
    /// Tiles of the catalogue.
    pub tiles: usize,
    /// Units worked here, and by others or earlier.
    pub units_here: usize,
    /// See `units_here`.
    pub units_elsewhere: usize,
    /// Rows of the input that went through the model here.
    pub rows_inferred: u64,
    /// What each stage of this run took, in order; none if there was nothing to do.
    pub stages: Vec<StageTime>,
    /// The page on the release; `None` if it could not be made.
    pub report: Option<String>,
    /// Gates that the release fails, in words, and was published all the same.
    pub failed_gates: Vec<String>,
}
