//! The history of due times and their outcomes, in the catalogue's store.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use lamcat_core::error::Result;
use lamcat_release::{
    Storage, StoredFile,
    commit::{self, Commit},
    paths, publish,
};
use serde::{Deserialize, Serialize};

/// A time that is further ahead than this was written by a wrong clock: the clocks of machines differ by less.
pub(super) const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// The record that a due time was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The due time.
    pub due: DateTime<Utc>,
    /// When it was begun for the first time.
    pub begun: DateTime<Utc>,
    /// Number of the last entry in the catalogue's log at that time, 0 if there was none.
    pub log: u64,
}

/// The outcome of a due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The due time.
    pub due: DateTime<Utc>,
    /// When it was begun for the first time; `None` if it never was.
    pub begun: Option<DateTime<Utc>>,
    /// The time at which the outcome was known.
    pub ended: DateTime<Utc>,
    /// The outcome itself.
    #[serde(flatten)]
    pub ending: Ending,
}

/// The outcomes that a due time can have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Ending {
    /// A release was published.
    Published {
        /// Identity of the job.
        job: String,
        /// Folder of the release, below the catalogue's root.
        release: String,
        /// Number of the release's entry in the log.
        number: u64,
        /// Rows of the catalogue.
        rows: u64,
    },
    /// There was nothing to do.
    Skipped {
        /// Identity of the job.
        job: String,
        /// The reason.
        why: Why,
    },
    /// The run failed; the previous release is still the current one.
    Failed {
        /// The error, without secrets.
        error: String,
        /// Number of attempts.
        attempts: u32,
    },
    /// No scheduler ran when it was due, and it was not made up for: the next due time or the policy decided so.
    Missed,
}

/// Why there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The current release was made from the same pipeline and the same inputs.
    Unchanged,
    /// The release of the same pipeline and the same inputs was current until somebody rolled back to an older one.
    RolledBack,
    /// A run that was prepared later has published in the meantime.
    Superseded,
}

/// Number of due times that are remembered. Each check lists them all, so their number must not grow every year.
const KEPT: usize = 1000;
/// Number of additional due times that may accumulate before they are removed, many at a time.
const SURPLUS: usize = 100;

/// The due times that a store knows: the open ones, and the last thousand or so that have ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The due times that were begun.
    pub begun: BTreeSet<DateTime<Utc>>,
    /// The due times that have ended.
    pub ended: BTreeSet<DateTime<Utc>>,
    /// The time from which on times are due, if no due time before now is known.
    pub since: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
struct Since {
    since: DateTime<Utc>,
}

impl History {
    /// Reads the due times that a store knows.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn read(storage: &Storage) -> Result<Self> {
        let times = |files: Vec<StoredFile>| -> BTreeSet<_> {
            // An empty file is ignored: a power failure can leave one behind.
            files.iter().filter(|file| file.bytes > 0).filter_map(|file| paths::due_time(&file.path)).collect()
        };
        let begun = times(storage.list(paths::SCHEDULE_BEGUN).await?);
        let ended = times(storage.list(paths::SCHEDULE_ENDED).await?);
        let since = commit::read::<Since>(storage, paths::SCHEDULE_SINCE).await?.map(|s| s.since);
        Ok(Self { begun, ended, since })
    }

    /// Like [`History::read`], but if no due time up to `now` is known, times are due from `start` on, and `start` is
    /// recorded. A scheduler that is killed before its first due time therefore does not lose it. A recorded start in
    /// the future, which a wrong clock has written, does not count.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn start(storage: &Storage, start: DateTime<Utc>, now: DateTime<Utc>) -> Result<Self> {
        let history = Self::read(storage).await?;
        let is_ahead = |since: DateTime<Utc>| since > now + AHEAD;
        if history.last_until(now).is_some() || history.since.is_some_and(|since| !is_ahead(since)) {
            return Ok(history);
        }
        let is_ahead = |other: &Since| is_ahead(other.since);
        commit::create_over(storage, paths::SCHEDULE_SINCE, &Since { since: start }, is_ahead).await?;
        Self::read(storage).await
    }

    /// The due times that were recorded at the wrong time by a scheduler whose clock was ahead: after `latest`, or
    /// before they were due. Nothing ran when they came, or they have yet to come.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn untimely(&self, storage: &Storage, latest: DateTime<Utc>) -> Result<Vec<DateTime<Utc>>> {
        let mut untimely = Vec::new();
        for due in self.ended.iter().rev() {
            let Some(ended) = ended(storage, *due).await?.map(|ended| ended.ended) else { continue };
            let early = *due <= latest && ended < *due - AHEAD;
            if ended > latest || early {
                untimely.push(*due);
            } else if *due <= latest {
                break;
            }
        }
        Ok(untimely)
    }

    /// Forgets due times, which are then due again when they come. Only the holder of the lease may call this.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn forget(storage: &Storage, times: &[DateTime<Utc>]) -> Result<()> {
        for due in times {
            let file = storage.shown(&paths::due_entry(paths::SCHEDULE_ENDED, *due));
            tracing::warn!("{file} was written by a scheduler whose clock was ahead, and is deleted");
            // The record of the end is deleted last: a due time that was begun and has not ended would be continued.
            for folder in [paths::SCHEDULE_BEGUN, paths::SCHEDULE_ENDED] {
                storage.delete(&paths::due_entry(folder, *due)).await?;
            }
        }
        Ok(())
    }

    /// Removes the oldest due times that have ended up to `now`, if there are many. Only the holder of the lease may
    /// call this.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn prune(&self, storage: &Storage, now: DateTime<Utc>) -> Result<()> {
        let ended: Vec<_> = self.ended.range(..=now).copied().collect();
        if ended.len() < KEPT + SURPLUS {
            return Ok(());
        }
        // The record of the end is deleted last: a due time that was begun and has not ended would be continued.
        for folder in [paths::SCHEDULE_BEGUN, paths::SCHEDULE_ENDED] {
            let old = ended[..ended.len() - KEPT].iter().map(|due| paths::due_entry(folder, *due));
            storage.delete_all(&old.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }

    /// Whether a due time is known.
    #[must_use]
    pub fn knows(&self, due: DateTime<Utc>) -> bool {
        self.begun.contains(&due) || self.ended.contains(&due)
    }

    /// The last known due time up to `now`. A known due time after `now` was run too early.
    #[must_use]
    pub fn last_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = |times: &BTreeSet<DateTime<Utc>>| times.range(..=now).next_back().copied();
        last(&self.begun).max(last(&self.ended))
    }

    /// The due times that were begun and have not ended, oldest first.
    #[must_use]
    pub fn open(&self) -> Vec<DateTime<Utc>> {
        self.begun.difference(&self.ended).copied().collect()
    }
}

/// An entry of the history: a due time that has ended, or is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    /// It has ended.
    Ended(Ended),
    /// It was begun and has not ended.
    Open(Begun),
}

impl Entry {
    /// The last `most` due times of a store, oldest first.
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
                None => entries.extend(commit::read(storage, &begun).await?.map(Self::Open)),
            }
        }
        Ok(entries)
    }
}

/// Records that `due` was begun now, unless that was recorded before; returns the record, and whether it existed
/// before.
pub(super) async fn begin(storage: &Storage, due: DateTime<Utc>, now: DateTime<Utc>) -> Result<(Begun, bool)> {
    let path = paths::due_entry(paths::SCHEDULE_BEGUN, due);
    if let Some(begun) = commit::read(storage, &path).await? {
        return Ok((begun, true));
    }
    let log = publish::number(storage).await?;
    let begun = Begun { due, begun: now, log };
    match commit::create(storage, &path, &begun).await? {
        Commit::Won => Ok((begun, false)),
        Commit::Lost(before) => Ok((before, true)),
    }
}

/// Records the outcome of a due time; returns whether it was not known before.
pub(super) async fn end(storage: &Storage, ended: &Ended) -> Result<bool> {
    let path = paths::due_entry(paths::SCHEDULE_ENDED, ended.due);
    Ok(commit::create(storage, &path, ended).await? == Commit::Won)
}

/// The outcome of a due time, if it has ended.
pub(super) async fn ended(storage: &Storage, due: DateTime<Utc>) -> Result<Option<Ended>> {
    commit::read(storage, &paths::due_entry(paths::SCHEDULE_ENDED, due)).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::TimeDelta;
    use object_store::{memory::InMemory, path::Path};

    use super::*;

    #[tokio::test]
    async fn old_due_times_are_removed_but_none_that_is_open_or_new() {
        let storage = Storage::new(Arc::new(InMemory::new()), Path::default(), "memory:///".parse().unwrap());
        let first: DateTime<Utc> = "2026-12-01T00:00:00Z".parse().unwrap();
        let due = |number: usize| first + TimeDelta::minutes(number as i64);
        let put = async |folder: &str, number: usize| {
            storage.put(&paths::due_entry(folder, due(number)), "{}").await.unwrap();
        };
        for number in 0..KEPT + SURPLUS {
            put(paths::SCHEDULE_BEGUN, number).await;
            // One of them was begun and has not ended.
            if number != 7 {
                put(paths::SCHEDULE_ENDED, number).await;
            }
        }
        let now = due(KEPT + SURPLUS);
        let few = History::read(&storage).await.unwrap();
        few.prune(&storage, now).await.unwrap();
        assert_eq!(History::read(&storage).await.unwrap(), few, "they are not many enough yet");

        // Times that a wrong clock recorded in the future do not belong to the past.
        for number in [KEPT + SURPLUS, 2 * KEPT, 2 * KEPT + 1] {
            put(paths::SCHEDULE_ENDED, number).await;
        }
        History::read(&storage).await.unwrap().prune(&storage, now).await.unwrap();
        let left = History::read(&storage).await.unwrap();
        assert_eq!((left.open(), left.ended.len()), (vec![due(7)], KEPT + 2));
        assert_eq!(left.ended.first(), Some(&due(SURPLUS + 1)));
        assert_eq!(left.begun.len(), KEPT, "the open one and those of the past, of which one was not begun");
    }
}
