//! The largest batch that launches are planned for, and how many numbers of each kind a batch has.

/// The largest batch of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BatchLimits {
    pub(super) stars: usize,
    /// Requests of each star.
    pub(super) asked: usize,
    /// Whether the mean token of each star is asked for.
    pub(super) embedding: bool,
}

/// How many numbers of each kind a batch has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) numbers: usize,
    pub(super) tokens: usize,
}

impl Lengths {
    /// The lengths of the largest batches, whose stars have `slots` slots.
    pub(super) fn of(most: BatchLimits, slots: usize) -> Self {
        Self { numbers: SIZES + most.asked + most.stars + 1, tokens: most.stars * slots }
    }
}

/// How many sizes stand before the requests: the numbers of stars and tokens, and 1.
pub(super) const SIZES: usize = 3;
