//! The events of a scheduler.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::history::Ended;
use crate::pipeline::{Stage, Watch};

/// An event in the life of a scheduled pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// After a check of what is due: the next due times, the first of them.
    Next(Vec<DateTime<Utc>>),
    /// Something is due, but another run is in progress, of another pipeline or by another scheduler.
    Held,
    /// Nothing is due until this time.
    Waits(Option<DateTime<Utc>>),
    /// The run for a due time begins, or is continued after its scheduler died.
    Begins {
        /// The due time.
        due: DateTime<Utc>,
        /// Whether it was begun before.
        again: bool,
    },
    /// A stage of the run begins.
    Stage {
        /// The stage.
        stage: Stage,
        /// The number of its tasks.
        tasks: usize,
        /// Their rows; 0 if unknown.
        rows: u64,
    },
    /// A task of the stage is done.
    Done {
        /// The rows of the task.
        rows: u64,
    },
    /// The store failed during the run, which is tried again.
    Retries(String),
    /// The run was given up; another scheduler, or the next start of this one, will continue it.
    LeftOff,
    /// The outcome of a due time is known.
    Ended(Ended),
    /// The pipeline or its store cannot be read; this is tried again later.
    Trouble(String),
}

/// Receives the name of a catalogue and an event.
pub type EventListener = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// Reports the progress of a catalogue's run.
pub(super) struct Progress<'a> {
    pub(super) catalogue: &'a str,
    pub(super) listener: &'a EventListener,
}

impl Watch for Progress<'_> {
    fn begin(&self, stage: Stage, tasks: usize, rows: u64) {
        (self.listener)(self.catalogue, Event::Stage { stage, tasks, rows });
    }

    fn done(&self, rows: u64, _here: bool) {
        (self.listener)(self.catalogue, Event::Done { rows });
    }
}
