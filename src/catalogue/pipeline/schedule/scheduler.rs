//! The loop of a scheduler: it checks what is due, runs it, and waits.

use std::{cell::Cell, sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures::future::join_all;
use lamcat_core::error::{Error, Result, without_secrets};
use tokio::{sync::Semaphore, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    due::Due,
    event::{Event, EventListener, Progress},
    history::{self, Ended, Ending, History},
    lease::{Candidate, Lease},
    scheduled::{CatalogueSchedule, Scheduled},
};

/// Number of times that a run is retried at a due time if the store fails.
const RETRIES: usize = 5;
/// Pause before the second attempt. Each further pause is four times as long as the one before, up to
/// [`LONGEST_BACKOFF`], plus a random time of up to the same length. Together they last 20 to 45 minutes, as a store
/// may be down for a while.
const BACKOFF: Duration = Duration::from_secs(5);
const BACKOFF_GROWTH: f32 = 4.0;
const LONGEST_BACKOFF: Duration = Duration::from_mins(15);
/// Time between two checks while another scheduler is at work.
const POLL: Duration = Duration::from_secs(2);
/// Time before the next check if the pipeline or its store could not be read.
const PAUSE: Duration = Duration::from_secs(30);
/// Longest time between two checks. After this time at most, it is noticed that another scheduler began something and
/// did not end it.
const CHECK_INTERVAL: TimeDelta = TimeDelta::minutes(5);
/// Longest time to sleep without reading the clock, since the clock may have been set or the machine suspended.
const NAP: Duration = Duration::from_secs(20);

/// Number of upcoming due times that are reported to the listener.
const SHOWN: usize = 3;

/// A clock: returns the current time.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Runs what is due, one pipeline at a time.
pub struct Scheduler<S> {
    pipelines: Vec<S>,
    now: Clock,
    grace: TimeDelta,
    listener: EventListener,
    one: Semaphore,
}

/// The result of checking a pipeline.
enum CheckResult {
    /// What was due is done.
    Done,
    /// Nothing is due until this time.
    Nothing(Option<DateTime<Utc>>),
    /// Something is due, but another scheduler is working on it.
    Held,
    /// A run was given up, because the scheduler is stopping or has lost its lease.
    LeftOff,
}

impl<S: Scheduled> Scheduler<S> {
    /// A scheduler for `pipelines`, each of a different catalogue, that uses the clock `now`. Where missed runs are
    /// skipped, a due time is missed if it cannot be begun within `grace`.
    #[must_use]
    pub fn new(pipelines: Vec<S>, now: Clock, grace: TimeDelta, listener: EventListener) -> Self {
        Self { pipelines, now, grace, listener, one: Semaphore::new(1) }
    }

    /// Runs whatever becomes due, until `stop`. Failures are reported and retried.
    pub async fn serve(&self, stop: &CancellationToken) {
        join_all(self.pipelines.iter().map(|pipeline| self.serve_one(pipeline, stop))).await;
    }

    /// Runs what is due now, and returns; the result is false if it was stopped before the end. If there is no history,
    /// the times within the last `grace` are due.
    ///
    /// # Errors
    /// If pipelines or their stores cannot be read; this is the first such error, and the other pipelines are run all
    /// the same. A run that fails is not an error, but an outcome.
    pub async fn once(&self, stop: &CancellationToken) -> Result<bool> {
        let now = (self.now)();
        let mut first = Ok(true);
        for pipeline in &self.pipelines {
            match self.once_one(pipeline, now, stop).await {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(e) => first = first.and(Err(e)),
            }
        }
        first
    }

    async fn once_one(&self, pipeline: &S, now: DateTime<Utc>, stop: &CancellationToken) -> Result<bool> {
        let mut candidate = Candidate::default();
        while !stop.is_cancelled() {
            match self.check(pipeline, &mut candidate, now - self.grace, Some(now), stop).await? {
                CheckResult::Done => {}
                CheckResult::Nothing(_) => return Ok(true),
                CheckResult::Held => {
                    (self.listener)(pipeline.name(), Event::Held);
                    pause(POLL, stop).await;
                }
                CheckResult::LeftOff => pause(PAUSE, stop).await,
            }
        }
        Ok(false)
    }

    async fn serve_one(&self, pipeline: &S, stop: &CancellationToken) {
        let mut candidate = Candidate::default();
        let start = (self.now)();
        let tell = |event| (self.listener)(pipeline.name(), event);
        while !stop.is_cancelled() {
            match self.check(pipeline, &mut candidate, start, None, stop).await {
                Ok(CheckResult::Done) => {}
                Ok(CheckResult::Nothing(next)) => {
                    tell(Event::Waits(next));
                    let latest = (self.now)() + CHECK_INTERVAL;
                    let until = next.map_or(latest, |next| next.min(latest));
                    tokio::select! {
                        () = sleep_until(&self.now, until) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Ok(CheckResult::Held) => {
                    tell(Event::Held);
                    pause(POLL, stop).await;
                }
                Ok(CheckResult::LeftOff) => pause(PAUSE, stop).await,
                Err(e) => {
                    tell(Event::Trouble(without_secrets(&e.to_string())));
                    pause(PAUSE, stop).await;
                }
            }
        }
    }

    /// Checks what is due `at` a time, or now, and runs it. If there is no history, times are due from `start` on.
    async fn check(
        &self,
        pipeline: &S,
        candidate: &mut Candidate,
        start: DateTime<Utc>,
        at: Option<DateTime<Utc>>,
        stop: &CancellationToken,
    ) -> Result<CheckResult> {
        let catalogue = pipeline.schedule()?;
        let now = at.unwrap_or_else(|| (self.now)());
        let history = History::start(&catalogue.storage, start.trunc_subsecs(0), now).await?;
        let tell = |event| (self.listener)(pipeline.name(), event);
        // A due time that was recorded in the future by a wrong clock is not due again.
        let next: Vec<_> = catalogue.schedule.all_after(now).filter(|due| !history.knows(*due)).take(SHOWN).collect();
        let first = next.first().copied();
        tell(Event::Next(next));
        let untimely = history.untimely(&catalogue.storage, now + history::AHEAD).await?;
        if untimely.is_empty()
            && history.open().is_empty()
            && Due::new(&catalogue.schedule, &history, now, self.grace).is_empty()
        {
            return Ok(CheckResult::Nothing(first));
        }
        if self.one.available_permits() == 0 {
            tell(Event::Held);
        }
        let permit = tokio::select! {
            permit = self.one.acquire() => permit,
            () = stop.cancelled() => return Ok(CheckResult::LeftOff),
        };
        let Some(lease) = candidate.acquire(&catalogue.storage).await? else { return Ok(CheckResult::Held) };
        let done = self.turn(pipeline, &catalogue, &lease, at, stop).await;
        lease.release().await;
        drop(permit);
        done
    }

    /// Runs what is due, while holding the lease.
    async fn turn(
        &self,
        pipeline: &S,
        catalogue: &CatalogueSchedule,
        lease: &Lease,
        at: Option<DateTime<Utc>>,
        stop: &CancellationToken,
    ) -> Result<CheckResult> {
        let history = History::read(&catalogue.storage).await?;
        let now = at.unwrap_or_else(|| (self.now)());
        let untimely = history.untimely(&catalogue.storage, now + history::AHEAD).await?;
        if !untimely.is_empty() {
            History::forget(&catalogue.storage, &untimely).await?;
            return Ok(CheckResult::Done);
        }
        history.prune(&catalogue.storage, now).await?;
        for due in history.open() {
            if !self.run(pipeline, catalogue, due, lease, stop).await? {
                return Ok(CheckResult::LeftOff);
            }
        }
        let now = at.unwrap_or_else(|| (self.now)());
        let due = Due::new(&catalogue.schedule, &history, now, self.grace);
        for missed in due.missed {
            let ended = Ended { due: missed, begun: None, ended: self.second(), ending: Ending::Missed };
            self.end(pipeline, catalogue, ended).await?;
        }
        match due.run {
            Some(due) if !self.run(pipeline, catalogue, due, lease, stop).await? => Ok(CheckResult::LeftOff),
            _ => Ok(CheckResult::Done),
        }
    }

    /// Runs a due time to its end; `false` if the run was given up before.
    async fn run(
        &self,
        pipeline: &S,
        catalogue: &CatalogueSchedule,
        due: DateTime<Utc>,
        lease: &Lease,
        stop: &CancellationToken,
    ) -> Result<bool> {
        let (begun, again) = history::begin(&catalogue.storage, due, self.second()).await?;
        if history::ended(&catalogue.storage, due).await?.is_some() {
            return Ok(true);
        }
        (self.listener)(pipeline.name(), Event::Begins { due, again });
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = lease.lost() => None,
            ending = self.attempts(pipeline, begun.log) => Some(ending),
        };
        let Some(ending) = ending else {
            (self.listener)(pipeline.name(), Event::LeftOff);
            return Ok(false);
        };
        self.end(pipeline, catalogue, Ended { due, begun: Some(begun.begun), ended: self.second(), ending }).await?;
        Ok(true)
    }

    /// Tries until the outcome of the run is known.
    async fn attempts(&self, pipeline: &S, log: u64) -> Ending {
        let name = pipeline.name();
        let progress = Progress { catalogue: name, listener: &self.listener };
        let attempts = Cell::new(0);
        let run = || {
            attempts.set(attempts.get() + 1);
            pipeline.run(log, &progress)
        };
        let told = |e: &Error, _| (self.listener)(name, Event::Retries(without_secrets(&e.to_string())));
        let done = run.retry(backoff()).when(Error::is_retryable).notify(told).await;
        done.unwrap_or_else(|e| Ending::Failed { error: without_secrets(&e.to_string()), attempts: attempts.get() })
    }

    async fn end(&self, pipeline: &S, catalogue: &CatalogueSchedule, ended: Ended) -> Result<()> {
        if history::end(&catalogue.storage, &ended).await? {
            (self.listener)(pipeline.name(), Event::Ended(ended));
        }
        Ok(())
    }

    fn second(&self) -> DateTime<Utc> {
        (self.now)().trunc_subsecs(0)
    }
}

/// The pauses between the attempts of a run.
fn backoff() -> ExponentialBuilder {
    let backoff = ExponentialBuilder::new().with_max_times(RETRIES).with_jitter();
    backoff.with_min_delay(BACKOFF).with_factor(BACKOFF_GROWTH).with_max_delay(LONGEST_BACKOFF)
}

/// Sleeps until a time by a clock that may be set in the meantime.
async fn sleep_until(now: &Clock, time: DateTime<Utc>) {
    while let Ok(left) = (time - now()).to_std()
        && !left.is_zero()
    {
        sleep(left.min(NAP)).await;
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
