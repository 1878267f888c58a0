//! The largest batch for which launches are planned, and the numbers of elements in a batch.

/// The largest batch of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BatchLimits {
    pub(super) stars: usize,
    /// Number of requests per star.
    pub(super) asked: usize,
    /// Whether the mean token of each star is requested.
    pub(super) embedding: bool,
}

/// The numbers of elements of each kind in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) numbers: usize,
    pub(super) tokens: usize,
}

impl Lengths {
    /// Returns the lengths of the largest batch, whose stars have `slots` slots.
    pub(super) fn of(most: BatchLimits, slots: usize) -> Self {
        Self { numbers: SIZES + most.asked + most.stars + 1, tokens: most.stars * slots }
    }
}

/// Number of sizes in front of the requests: the numbers of stars and tokens, and 1.
pub(super) const SIZES: usize = 3;
