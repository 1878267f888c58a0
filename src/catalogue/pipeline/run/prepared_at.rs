//! The time at which a run was prepared. It decides whether the run may publish, since the run uses the inputs of that
//! time.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use lamcat_core::error::Result;
use lamcat_release::{
    Storage,
    publish::{self, Decided},
};

/// The time at which a run was prepared, by the catalogue's log and by the clocks of this machine.
pub(super) struct PreparedAt {
    /// Number of the last log entry of the catalogue.
    log: u64,
    /// The time by the system clock, which may be changed later.
    clock: DateTime<Utc>,
    /// The time by a monotonic timer, which may stop while the machine sleeps.
    timer: Instant,
}

impl PreparedAt {
    /// The current time; it must be taken before the inputs are listed.
    pub(super) async fn now(storage: &Storage) -> Result<Self> {
        let (clock, timer) = (Utc::now(), Instant::now());
        Ok(Self { log: publish::number(storage).await?, clock, timer })
    }

    /// The same time as a [`Decided`], by the store's clock, which now shows `now`.
    pub(super) fn decided(&self, now: DateTime<Utc>) -> Decided {
        let timed = TimeDelta::from_std(self.timer.elapsed()).unwrap_or_default();
        Decided { at: now - timed.max(Utc::now() - self.clock), after: self.log }
    }
}
