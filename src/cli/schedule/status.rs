//! The status of a scheduler, for monitoring.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use lamcat_catalogue::pipeline::{
    Stage,
    schedule::{Ended, Ending, Entry, Event},
};
use serde::Serialize;

use super::seconds;

/// A scheduler is stuck if a run has not begun this long after it was due.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// The state of each pipeline, by the name of its catalogue.
#[derive(Debug, Default)]
pub(super) struct Status {
    pipelines: Mutex<BTreeMap<String, State>>,
}

/// The state of a pipeline.
#[derive(Debug, Clone, Default, Serialize)]
struct State {
    /// Next due times.
    next: Vec<DateTime<Utc>>,
    doing: Doing,
    /// The run that is in progress.
    run: Option<Running>,
    /// The last due time that ended.
    last: Option<Ended>,
    /// Whether the last run failed.
    failed: bool,
    /// Why the pipeline or its store cannot be read.
    trouble: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    #[default]
    Waiting,
    WaitingForAnotherRun,
    Running,
}

/// A run and its progress.
#[derive(Debug, Clone, Default, Serialize)]
struct Running {
    due: DateTime<Utc>,
    since: DateTime<Utc>,
    stage: Option<Stage>,
    tasks: usize,
    tasks_done: usize,
    rows: u64,
    rows_done: u64,
}

impl Running {
    /// Fraction of the stage that is done, measured in rows if their number is known.
    fn share(&self) -> f64 {
        let (done, all) = match self.rows {
            0 => (self.tasks_done as u64, self.tasks as u64),
            rows => (self.rows_done, rows),
        };
        if all == 0 { 0.0 } else { done as f64 / all as f64 }
    }
}

impl State {
    /// Whether a run is due and nothing is done about it.
    fn stuck(&self, now: DateTime<Utc>) -> bool {
        self.doing == Doing::Waiting && self.next.first().is_some_and(|next| now - *next > LATE)
    }

    fn ok(&self, now: DateTime<Utc>) -> bool {
        !self.failed && self.trouble.is_none() && !self.stuck(now)
    }
}

impl Status {
    fn pipelines(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pipeline whose last due time is `last`.
    pub(super) fn add(&self, name: &str, last: Option<Entry>) {
        let mut state = State::default();
        if let Some(Entry::Ended(ended)) = last {
            state.failed = matches!(ended.ending, Ending::Failed { .. });
            state.last = Some(ended);
        }
        self.pipelines().insert(name.to_owned(), state);
    }

    /// Records what happens to a pipeline.
    pub(super) fn note(&self, name: &str, event: Event, now: DateTime<Utc>) {
        let mut pipelines = self.pipelines();
        let state = pipelines.entry(name.to_owned()).or_default();
        if !matches!(event, Event::Trouble(_)) {
            state.trouble = None;
        }
        match event {
            Event::Next(times) => state.next = times,
            Event::Waits(_) | Event::LeftOff => (state.doing, state.run) = (Doing::Waiting, None),
            Event::Held => state.doing = Doing::WaitingForAnotherRun,
            Event::Begins { due, .. } => {
                state.doing = Doing::Running;
                state.run = Some(Running { due, since: now.trunc_subsecs(0), ..Running::default() });
            }
            Event::Stage { stage, tasks, rows } => {
                if let Some(run) = &mut state.run {
                    *run = Running { stage: Some(stage), tasks, tasks_done: 0, rows, rows_done: 0, ..*run };
                }
            }
            Event::Done { rows } => {
                if let Some(run) = &mut state.run {
                    run.tasks_done += 1;
                    run.rows_done += rows;
                }
            }
            Event::Retries(_) => {}
            Event::Ended(ended) => {
                (state.doing, state.run) = (Doing::Waiting, None);
                if ended.ending != Ending::Missed {
                    state.failed = matches!(ended.ending, Ending::Failed { .. });
                }
                state.last = Some(ended);
            }
            Event::Trouble(error) => {
                (state.doing, state.run) = (Doing::Waiting, None);
                state.trouble = Some(error);
            }
        }
    }

    /// Whether a run is due at `now` and nothing is done about it, so that restarting the process may help.
    pub(super) fn is_stuck(&self, now: DateTime<Utc>) -> bool {
        self.pipelines().values().any(|state| state.trouble.is_none() && state.stuck(now))
    }

    /// Whether everything is in order at `now`, and the state as JSON.
    pub(super) fn health(&self, now: DateTime<Utc>) -> (bool, serde_json::Value) {
        let pipelines = self.pipelines();
        let ok = pipelines.values().all(|state| state.ok(now));
        let states: Vec<_> = pipelines
            .iter()
            .map(|(name, state)| {
                let mut value = serde_json::json!(state);
                value["catalogue"] = name.as_str().into();
                value["ok"] = state.ok(now).into();
                value["stuck"] = state.stuck(now).into();
                if let Some(run) = &state.run {
                    value["run"]["share_done"] = run.share().into();
                }
                value
            })
            .collect();
        (ok, serde_json::json!({ "ok": ok, "now": seconds(now), "pipelines": states }))
    }

    /// The state in the text format of Prometheus. It consists of six values that already exist, with names that need
    /// no escapes, since catalogue names contain only letters, digits and underscores; a registry of metrics would
    /// store them twice.
    pub(super) fn metrics(&self, now: DateTime<Utc>) -> String {
        type Value = fn(&State, DateTime<Utc>) -> Option<f64>;
        let metrics: [(&str, &str, Value); 6] = [
            ("ok", "1 if all is well", |s, now| Some(f64::from(s.ok(now)))),
            ("running", "1 if a run goes on", |s, _| Some(f64::from(s.doing == Doing::Running))),
            ("stage_share_done", "Share of the run's stage that is done", |s, _| s.run.as_ref().map(Running::share)),
            ("next_due_timestamp_seconds", "Next due time", |s, _| s.next.first().map(|t| t.timestamp() as f64)),
            ("last_due_timestamp_seconds", "Last due time that ended", |s, _| {
                s.last.as_ref().map(|last| last.due.timestamp() as f64)
            }),
            ("last_run_failed", "1 if the last run failed", |s, _| Some(f64::from(s.failed))),
        ];
        let mut text = String::new();
        let pipelines = self.pipelines();
        for (name, help, value) in metrics {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP lamcat_schedule_{name} {help}.\n# TYPE lamcat_schedule_{name} gauge");
            for (catalogue, state) in pipelines.iter() {
                if let Some(value) = value(state, now) {
                    let _ = writeln!(text, "lamcat_schedule_{name}{{catalogue=\"{catalogue}\"}} {value}");
                }
            }
        }
        text
    }
}
