//! What a scheduler runs.

use std::path::PathBuf;

use async_trait::async_trait;
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    Storage,
    publish::{self, Action, Current},
    releases,
};
use lamcat_sql::session::Session;

use super::history::{Ending, Why};
use crate::pipeline::{Overrides, Pipeline, Run, Schedule, Watch};

/// The storage of a catalogue, and the schedule on which its pipeline makes new releases.
#[derive(Debug, Clone)]
pub struct CatalogueSchedule {
    /// Where the catalogue goes.
    pub storage: Storage,
    /// The schedule of its runs.
    pub schedule: Schedule,
}

/// Something that a scheduler runs.
#[async_trait(?Send)]
pub trait Scheduled: Send + Sync {
    /// Name of the catalogue.
    fn name(&self) -> &str;

    /// The storage and the schedule, as of now.
    ///
    /// # Errors
    /// If they cannot be determined.
    fn schedule(&self) -> Result<CatalogueSchedule>;

    /// Runs it for a due time that was begun when `log` was the number of the last entry in the catalogue's log. If a
    /// scheduler that died has already begun to run it for this due time, its work is continued, or its published
    /// release is found.
    ///
    /// # Errors
    /// If the run fails.
    async fn run(&self, log: u64, watch: &dyn Watch) -> Result<Ending>;
}

/// A pipeline file that is run as `lamcat run` does. The file is read again for every run, so changes take effect from
/// the next due time on.
pub struct ScheduledPipeline {
    session: Session,
    name: String,
    file: PathBuf,
    overrides: Overrides,
}

impl ScheduledPipeline {
    /// The pipeline of a file; its runs use the stores of `session`.
    ///
    /// # Errors
    /// If the file is not valid or has no schedule.
    pub fn open(session: Session, file: PathBuf, overrides: Overrides) -> Result<Self> {
        let mut this = Self { session, name: String::new(), file, overrides };
        this.name = this.load()?.name;
        this.schedule()?;
        Ok(this)
    }

    fn load(&self) -> Result<Pipeline> {
        Pipeline::load(&self.file, &self.overrides)
    }
}

#[async_trait(?Send)]
impl Scheduled for ScheduledPipeline {
    fn name(&self) -> &str {
        &self.name
    }

    fn schedule(&self) -> Result<CatalogueSchedule> {
        let pipeline = self.load()?;
        let storage = self.session.storage(pipeline.root().exposed())?;
        let none = || {
            let error = Error::new(ErrorKind::Config, "the pipeline has no schedule").at("file", self.file.display());
            error.hint("add e.g.\n  [schedule]\n  cron = \"0 3 * * 1\"\n  time_zone = \"Europe/Berlin\"")
        };
        Ok(CatalogueSchedule { storage, schedule: pipeline.schedule.ok_or_else(none)? })
    }

    async fn run(&self, log: u64, watch: &dyn Watch) -> Result<Ending> {
        let run = Run::open(self.load()?, Some(self.session.stores())).await?;
        let (job, folder) = (run.job().id.clone(), run.job().release_folder());
        let storage = run.storage().clone();
        // The process that published last may have died before it updated `LATEST`.
        publish::repeat_latest(&storage).await?;
        let entries = publish::log(&storage).await?;
        match state(&entries, log, &folder) {
            State::Published(entry) => {
                let rows = releases::manifest(&storage, &folder).await?.map_or(0, |manifest| manifest.rows);
                return Ok(Ending::Published { job, release: folder, number: entry.number, rows });
            }
            State::Skip(why) => return Ok(Ending::Skipped { job, why }),
            State::Run => {}
        }
        let outcome = match run.execute(watch).await {
            Err(e) if e.kind() == ErrorKind::Superseded => return Ok(Ending::Skipped { job, why: Why::Superseded }),
            outcome => outcome?,
        };
        let release = outcome.release;
        if release.number <= log {
            return Ok(Ending::Skipped { job, why: Why::Unchanged });
        }
        Ok(Ending::Published { job, release: release.folder, number: release.number, rows: outcome.rows })
    }
}

/// The state of a release, which says what is left to do for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State<'a> {
    Published(&'a Current),
    Skip(Why),
    Run,
}

/// What remains to be done for the release in `folder`, according to the log `entries`; the last entry was number
/// `begun` when the due time was begun.
pub(super) fn state<'a>(entries: &'a [Current], begun: u64, folder: &str) -> State<'a> {
    let mut own = entries.iter().filter(|entry| entry.folder == folder);
    let last = entries.last();
    if let Some(entry) = own.clone().find(|entry| entry.number > begun && entry.action == Action::Publish) {
        State::Published(entry)
    } else if last.is_some_and(|last| last.folder == folder) {
        State::Skip(Why::Unchanged)
    } else if last.is_some_and(|last| last.action == Action::Rollback) && own.next().is_some() {
        State::Skip(Why::RolledBack)
    } else {
        State::Run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, action: Action, folder: &str) -> Current {
        Current {
            number,
            action,
            name: "demo".to_owned(),
            version: "1.0.0".to_owned(),
            folder: folder.to_owned(),
            manifest_sha256: String::new(),
            time: String::new(),
            decided: None,
        }
    }

    #[test]
    fn the_log_says_what_is_left_to_do() {
        let log = [entry(1, Action::Publish, "a"), entry(2, Action::Publish, "b")];
        assert_eq!(state(&[], 0, "a"), State::Run);
        assert_eq!(state(&log, 2, "b"), State::Skip(Why::Unchanged));
        assert_eq!(state(&log, 2, "c"), State::Run);
        // If the inputs are as they were before, their release is published again.
        assert_eq!(state(&log, 2, "a"), State::Run);
        // The due time was begun, its release was published, and then its scheduler died.
        assert_eq!(state(&log, 1, "b"), State::Published(&log[1]));
        let back = [log.to_vec(), vec![entry(3, Action::Rollback, "a")]].concat();
        assert_eq!(state(&back, 3, "b"), State::Skip(Why::RolledBack));
        assert_eq!(state(&back, 3, "a"), State::Skip(Why::Unchanged));
        assert_eq!(state(&back, 3, "c"), State::Run);
        // Rolling back later does not change that it was published.
        assert_eq!(state(&back, 1, "b"), State::Published(&back[1]));
    }
}
