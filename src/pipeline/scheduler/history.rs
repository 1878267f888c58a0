//! What became of due times, in the catalogue's store.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    release::{Storage, StoredFile, paths, publish},
};

/// That a due time was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The due time.
    pub due: DateTime<Utc>,
    /// When it was begun for the first time.
    pub begun: DateTime<Utc>,
    /// Number of the last entry in the catalogue's log at that time, 0 if there was none.
    pub log: u64,
}

/// What a due time came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The due time.
    pub due: DateTime<Utc>,
    /// When it was begun for the first time; `None` if it never was.
    pub begun: Option<DateTime<Utc>>,
    /// When that was known.
    pub ended: DateTime<Utc>,
    /// What it came to.
    #[serde(flatten)]
    pub ending: Ending,
}

/// What a due time can come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Ending {
    /// A release was published.
    Published {
        /// Identity of the job.
        job: String,
        /// Folder of the release, below the catalogue's root.
        release: String,
        /// Number of its entry in the log.
        number: u64,
        /// Rows of the catalogue.
        rows: u64,
    },
    /// There was nothing to do.
    Skipped {
        /// Identity of the job.
        job: String,
        /// Why.
        why: Why,
    },
    /// The run failed; the release before is still the current one.
    Failed {
        /// The error, without secrets.
        error: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Nothing ran when it was due, and the next due time, or the policy, left it out.
    Missed,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The current release is of the same pipeline on the same inputs.
    Unchanged,
    /// The release of the same pipeline on the same inputs was current until somebody went back to an older one.
    RolledBack,
}

/// Which due times a store knows of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Those that were begun.
    pub begun: BTreeSet<DateTime<Utc>>,
    /// Those that have ended.
    pub ended: BTreeSet<DateTime<Utc>>,
    /// From when on times are due, where none is known.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct Since {
    since: DateTime<Utc>,
}

impl History {
    /// Reads which due times a store knows of.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn read(storage: &Storage) -> Result<Self> {
        let times = |files: Vec<StoredFile>| -> BTreeSet<_> {
            files.iter().filter_map(|file| paths::due_time(&file.path)).collect()
        };
        let begun = times(storage.list(paths::SCHEDULE_BEGUN).await?);
        let ended = times(storage.list(paths::SCHEDULE_ENDED).await?);
        let since = if begun.is_empty() && ended.is_empty() {
            storage.get_json::<Since>(paths::SCHEDULE_SINCE).await?.map(|s| s.since)
        } else {
            None
        };
        Ok(Self { begun, ended, since })
    }

    /// [`History::read`]; where nothing is known, times are due from `start` on, and that is written down: whoever is
    /// killed before the first due time does not lose it.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn start(storage: &Storage, start: DateTime<Utc>) -> Result<Self> {
        let history = Self::read(storage).await?;
        if history.last().is_some() || history.since.is_some() {
            return Ok(history);
        }
        storage.create_json(paths::SCHEDULE_SINCE, &Since { since: start }).await?;
        Self::read(storage).await
    }

    /// The last due time that is known.
    #[must_use]
    pub fn last(&self) -> Option<DateTime<Utc>> {
        self.begun.last().max(self.ended.last()).copied()
    }

    /// The due times that were begun and have not ended, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<DateTime<Utc>> {
        self.begun.difference(&self.ended).copied().collect()
    }
}

/// What is known of a due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// It has ended.
    Ended(Ended),
    /// It was begun and has not ended.
    Open(Begun),
}

impl Entry {
    /// The last due times of a store, `most` of them, oldest first.
    ///
    /// # Errors
    /// If the store fails or an entry is damaged.
    pub async fn last(storage: &Storage, most: usize) -> Result<Vec<Self>> {
        let history = History::read(storage).await?;
        let times: Vec<_> = history.begun.union(&history.ended).collect();
        let mut entries = Vec::new();
        for due in &times[times.len().saturating_sub(most)..] {
            let begun = paths::due_entry(paths::SCHEDULE_BEGUN, **due);
            match ended(storage, **due).await? {
                Some(ended) => entries.push(Self::Ended(ended)),
                None => entries.extend(storage.get_json(&begun).await?.map(Self::Open)),
            }
        }
        Ok(entries)
    }
}

/// That `due` was begun, written down now, unless it was before; and whether it was.
pub(super) async fn begin(storage: &Storage, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<(Begun, bool)> {
    let path = paths::due_entry(paths::SCHEDULE_BEGUN, due);
    if let Some(begun) = storage.get_json(&path).await? {
        return Ok((begun, true));
    }
    let log = publish::current(storage).await?.map_or(0, |current| current.number);
    let begun = Begun { due, begun: now, log };
    if storage.create_json(&path, &begun).await? {
        return Ok((begun, false));
    }
    let gone = || Error::new(ErrorKind::Io, "an entry of the schedule has vanished").at("file", storage.shown(&path));
    Ok((storage.get_json(&path).await?.ok_or_else(gone)?, true))
}

/// Writes down what a due time came to; whether it was not known before.
pub(super) async fn end(storage: &Storage, ended: &Ended) -> Result<bool> {
    storage.create_json(&paths::due_entry(paths::SCHEDULE_ENDED, ended.due), ended).await
}

/// What a due time came to, if it has ended.
pub(super) async fn ended(storage: &Storage, due: DateTime<Utc>) -> Result<Option<Ended>> {
    storage.get_json(&paths::due_entry(paths::SCHEDULE_ENDED, due)).await
}
