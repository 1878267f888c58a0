//! The events of a scheduler.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::history::Ended;
use crate::pipeline::{Stage, Watch};

/// An event in the life of a pipeline that runs by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// It was looked what is due; after that it is these times, the first of them.
    Next(Vec<DateTime<Utc>>),
    /// Something is due, but another run goes on, of another pipeline or by another scheduler.
    Held,
    /// Nothing is due until this time.
    Waits(Option<DateTime<Utc>>),
    /// A due time begins, or is taken up after its scheduler died.
    Begins {
        /// The due time.
        due: DateTime<Utc>,
        /// Whether it was begun before.
        again: bool,
    },
    /// A stage of the run begins, which has so many tasks and rows.
    Stage {
        /// The stage.
        stage: Stage,
        /// The number of its tasks.
        tasks: usize,
        /// Their rows; 0 if unknown.
        rows: u64,
    },
    /// A task of the stage is done, with so many rows.
    Done {
        /// The rows of the task.
        rows: u64,
    },
    /// The store failed in the run, which is tried again.
    Retries(String),
    /// The run was given up and left to another scheduler, or to the next start.
    LeftOff,
    /// It is known what a due time came to.
    Ended(Ended),
    /// The pipeline or its store cannot be read; it is looked at again.
    Trouble(String),
}

/// Is told the name of a catalogue and what happens to it.
pub type EventListener = Arc<dyn Fn(&str, Event) + Send + Sync>;

/// Tells how far the run of a catalogue is.
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
