//! When a run was planned, which decides whether it may publish: its inputs are those of that time.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use lamcat_core::error::Result;
use lamcat_release::{
    Storage,
    publish::{self, Decided},
};

/// When a run was planned, by the log of the catalogue and by the clocks of this machine.
pub(super) struct PlannedAt {
    /// Number of the last entry of the catalogue's log.
    log: u64,
    /// The time by the clock, which may be set meanwhile.
    clock: DateTime<Utc>,
    /// The time by a timer, which may stand still while the machine sleeps.
    timer: Instant,
}

impl PlannedAt {
    /// Now; the inputs are to be looked at afterwards.
    pub(super) async fn now(storage: &Storage) -> Result<Self> {
        let (clock, timer) = (Utc::now(), Instant::now());
        Ok(Self { log: publish::number(storage).await?, clock, timer })
    }

    /// The same as a [`Decided`], by the clock of the store, which shows `now`.
    pub(super) fn decided(&self, now: DateTime<Utc>) -> Decided {
        let timed = TimeDelta::from_std(self.timer.elapsed()).unwrap_or_default();
        Decided { at: now - timed.max(Utc::now() - self.clock), after: self.log }
    }
}
