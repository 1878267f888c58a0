//! How often and for how long operations are retried.

use std::{env, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lamcat_core::error::{Error, ErrorKind, Result, is_transient, without_secrets};
use object_store::Error as StoreError;
use tokio::time::{Instant, sleep};

/// From this number of failed attempts on, a failing store is reported as a warning.
const QUIET: usize = 3;

/// How often and for how long an operation on a remote store is retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// Number of attempts after the first.
    pub times: usize,
    /// Pause before the second attempt. It doubles with each further attempt, and a random time of up to the same
    /// length is added.
    pub pause: Duration,
    /// Longest pause.
    pub longest: Duration,
    /// No further attempt is made when this time has passed since the first one.
    pub within: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            times: 8,
            pause: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            within: Duration::from_mins(1),
        }
    }
}

impl Retries {
    /// The settings of the environment: `LAMCAT_STORE_RETRIES` attempts within `LAMCAT_STORE_RETRY_SECONDS`.
    ///
    /// # Errors
    /// If one of them is not a whole number.
    pub fn from_env() -> Result<Self> {
        let default = Self::default();
        let times = number("LAMCAT_STORE_RETRIES")?.map_or(default.times, |n| n as usize);
        let within = number("LAMCAT_STORE_RETRY_SECONDS")?.map_or(default.within, Duration::from_secs);
        Ok(Self { times, within, ..default })
    }

    fn pauses(&self) -> ExponentialBackoff {
        let builder = ExponentialBuilder::new().with_jitter().with_max_times(self.times);
        builder.with_min_delay(self.pause).with_max_delay(self.longest).build()
    }
}

fn number(name: &str) -> Result<Option<u64>> {
    let Some(text) = env::var_os(name) else { return Ok(None) };
    let text = text.to_string_lossy();
    let bad = |e| {
        Error::new(ErrorKind::Config, format!("{name} is no number: '{text}'"))
            .source(e)
            .hint("give a whole number, e.g. 8, or unset it")
    };
    text.trim().parse().map(Some).map_err(bad)
}

/// The remaining attempts at one operation.
pub(super) struct Patience {
    what: String,
    pauses: ExponentialBackoff,
    since: Instant,
    within: Duration,
    attempts: usize,
}

impl Patience {
    /// Starts counting for `what`, which names the operation in logs.
    pub(super) fn new(retries: &Retries, what: String) -> Self {
        Self { what, pauses: retries.pauses(), since: Instant::now(), within: retries.within, attempts: 1 }
    }

    /// Number of attempts so far, including the current one.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }

    /// Whether another attempt may help after one that failed with `e`; waits until it is time for it.
    pub(super) async fn allows(&mut self, e: &StoreError) -> bool {
        if !is_transient(e) || self.since.elapsed() > self.within {
            return false;
        }
        let Some(pause) = self.pauses.next() else { return false };
        let (what, why) = (without_secrets(&self.what), without_secrets(&e.to_string()));
        if self.attempts < QUIET {
            tracing::info!("{what} failed and is tried again in {pause:.1?}: {why}");
        } else {
            tracing::warn!("{what} failed {} times and is tried again in {pause:.1?}: {why}", self.attempts);
        }
        self.attempts += 1;
        sleep(pause).await;
        true
    }
}
