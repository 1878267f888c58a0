//! Makes a release the current one.
//!
//! The current release is the one in the last entry of a log, whose entries are created and never overwritten: if two
//! processes publish at the same time, one gets a number and the other takes the next. `LATEST` repeats the last entry
//! for readers. A process that dies between the two writes leaves an outdated `LATEST`, so every process that finds a
//! release published also updates `LATEST` ([`repeat_latest`]). It is replaced only on the condition that it is still
//! what was read before the log was read, so it never goes back.
//!
//! Each entry also says when its release was chosen. A process that chose a release, was stopped, and continues after a
//! later choice was published does not replace the newer release by the older one.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use object_store::PutMode;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    assemble::Manifest,
    commit::{self, Commit},
    paths,
    storage::{Storage, json},
};

/// Number of log entries that are read at once.
const AT_ONCE: usize = 16;
/// How often writing `LATEST` is attempted if the store fails or others write it too.
const FAILURES: u32 = 3;
const TRIES: u32 = 100;

/// An entry of the log; also what `LATEST` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Number of the entry.
    pub number: u64,
    /// Why the entry was made.
    pub action: Action,
    /// Name of the catalogue.
    pub name: String,
    /// Version of the data (semver).
    pub version: String,
    /// Folder of the release, relative to the root: the path to open with lsdb, or as a HATS table.
    pub folder: String,
    /// Hash of its manifest.
    pub manifest_sha256: String,
    /// When the entry was made: `2026-12-02T10:00:00Z`.
    pub time: String,
    /// When the release was chosen; `None` in entries of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

/// When a release was chosen to become current, and what was current then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The time by the store's clock, which is the same for all its users.
    pub at: DateTime<Utc>,
    /// Number of the last log entry at that time, 0 if there was none.
    pub after: u64,
}

impl Decided {
    /// The choice of this moment.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn now(storage: &Storage) -> Result<Self> {
        let after = number(storage).await?;
        Ok(Self { at: storage.check().await?, after })
    }

    /// Whether an entry's release was chosen later than this one; an entry that does not say counts if it was made
    /// later.
    fn is_before(&self, entry: &Current) -> bool {
        let later = |other: Decided| other.after > self.after || other.at > self.at;
        entry.number > self.after && entry.decided.is_none_or(later)
    }
}

/// How a release became current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was published.
    Publish,
    /// It was current before and is again.
    Rollback,
}

/// The log as it is in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// The entries, oldest first.
    pub entries: Vec<Current>,
    /// Files of entries that cannot be read and that `LATEST` does not repeat either.
    pub damaged: Vec<String>,
}

impl Log {
    /// Reads the log. A damaged entry is recovered if `LATEST` repeats it.
    ///
    /// # Errors
    /// If the store fails or an entry was not written by this program.
    pub async fn read(storage: &Storage) -> Result<Self> {
        Self::after(storage, 0).await
    }

    /// Like [`Log::read`], for the entries after number `after`.
    async fn after(storage: &Storage, after: u64) -> Result<Self> {
        let latest = latest(storage).await?;
        let numbers = numbers(storage).await?.into_iter().filter(|number| *number > after);
        let entries = futures::stream::iter(numbers).map(|number| entry(storage, number, latest.as_ref()));
        let entries: Vec<(u64, Option<Current>)> = entries.buffered(AT_ONCE).try_collect().await?;
        let mut log = Self::default();
        for (number, entry) in entries {
            match entry {
                Some(entry) => log.entries.push(entry),
                None => log.damaged.push(paths::log_entry(number)),
            }
        }
        Ok(log)
    }
}

/// The entries of the log, oldest first, without damaged ones.
///
/// # Errors
/// If the store fails or an entry was not written by this program.
pub async fn log(storage: &Storage) -> Result<Vec<Current>> {
    Ok(Log::read(storage).await?.entries)
}

/// The current release, if there is one.
///
/// # Errors
/// If the store fails or the entry was not written by this program.
pub async fn current(storage: &Storage) -> Result<Option<Current>> {
    let mut latest = None;
    for number in numbers(storage).await?.into_iter().rev() {
        if let Some(entry) = commit::read(storage, &paths::log_entry(number)).await? {
            return Ok(Some(entry));
        }
        // The process that wrote a damaged entry died while writing it. If the entry counts, `LATEST` repeats it.
        if latest.is_none() {
            latest = self::latest(storage).await?;
        }
        if latest.as_ref().is_some_and(|latest| latest.number == number) {
            return Ok(latest);
        }
    }
    Ok(None)
}

/// Number of the last log entry, 0 if there is none.
///
/// # Errors
/// If the store fails or the entry was not written by this program.
pub async fn number(storage: &Storage) -> Result<u64> {
    Ok(current(storage).await?.map_or(0, |current| current.number))
}

/// The content of `LATEST`; `None` if it is missing or damaged, which is harmless as it only repeats the log.
///
/// # Errors
/// If the store fails.
pub async fn latest(storage: &Storage) -> Result<Option<Current>> {
    let bytes = storage.get(paths::LATEST).await?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The numbers of the log's entries, in order.
async fn numbers(storage: &Storage) -> Result<Vec<u64>> {
    let files = storage.list(paths::LOG).await?;
    let mut numbers: Vec<u64> = files.iter().filter_map(|file| paths::log_number(&file.path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

async fn entry(storage: &Storage, number: u64, latest: Option<&Current>) -> Result<(u64, Option<Current>)> {
    let entry = commit::read(storage, &paths::log_entry(number)).await?;
    Ok((number, entry.or_else(|| latest.filter(|latest| latest.number == number).cloned())))
}

/// Makes the release in `folder` the current one, unless it is already. The choice counts as made now.
///
/// # Errors
/// If the folder has no manifest, or the store fails.
pub async fn make_current(storage: &Storage, folder: &str, action: Action) -> Result<Current> {
    make_current_if(storage, folder, action, Decided::now(storage).await?).await
}

/// Makes the release in `folder` the current one, unless it is already, or became so after it was chosen.
///
/// # Errors
/// If another release that was chosen later has become current, the folder has no manifest, or the store fails.
pub async fn make_current_if(storage: &Storage, folder: &str, action: Action, decided: Decided) -> Result<Current> {
    let path = format!("{folder}/{}", paths::MANIFEST);
    let bytes = storage.require(&path).await?;
    let bad = |e| Error::new(ErrorKind::Input, "the manifest is damaged").at("file", storage.shown(&path)).source(e);
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(bad)?;
    let manifest_sha256 = format!("{:x}", Sha256::digest(&bytes));
    loop {
        let last = repeat_latest(storage).await?;
        if let Some(last) = last.as_ref().filter(|last| last.folder == folder) {
            return Ok(last.clone());
        }
        let since = Log::after(storage, decided.after).await?.entries;
        if let Some(done) = since.iter().find(|entry| entry.folder == folder && entry.action == action) {
            return Ok(done.clone());
        }
        if let Some(newer) = since.iter().rev().find(|entry| decided.is_before(entry)) {
            return Err(superseded(storage, folder, newer));
        }
        if let Some(last) = &last {
            restore(storage, last).await?;
        }
        let entry = Current {
            number: last.map_or(1, |last| last.number + 1),
            action,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            folder: folder.to_owned(),
            manifest_sha256: manifest_sha256.clone(),
            time: super::clock::now_seconds(),
            decided: Some(decided),
        };
        if commit::create(storage, &paths::log_entry(entry.number), &entry).await? == Commit::Won {
            return Ok(repeat_latest(storage).await?.unwrap_or(entry));
        }
    }
}

fn superseded(storage: &Storage, folder: &str, newer: &Current) -> Error {
    let what = match newer.action {
        Action::Publish => "was published",
        Action::Rollback => "was rolled back to",
    };
    let message =
        format!("{} {what} after this run had begun, so this release, which is older, is not published", newer.folder);
    Error::new(ErrorKind::Superseded, message).at("release", storage.shown(folder)).at("published", &newer.time).hint(
        "the release is finished and kept: to publish it all the same start the same run again, which takes no new inference",
    )
}

/// Writes an entry of the log again if only `LATEST` still has it.
async fn restore(storage: &Storage, entry: &Current) -> Result<()> {
    let name = paths::log_entry(entry.number);
    if commit::read::<Current>(storage, &name).await?.is_none() {
        commit::create(storage, &name, entry).await?;
    }
    Ok(())
}

/// Makes sure that `LATEST` repeats the last entry of the log, and returns that entry.
///
/// # Errors
/// If the store fails.
pub async fn repeat_latest(storage: &Storage) -> Result<Option<Current>> {
    let (mut tries, mut failures) = (0, 0);
    loop {
        // `LATEST` is read before the log, so that what replaces it is never older.
        let there = storage.read(paths::LATEST).await?;
        let Some(newest) = current(storage).await? else { return Ok(None) };
        let said = there.as_ref().and_then(|there| serde_json::from_slice::<Current>(&there.bytes).ok());
        if said.as_ref() == Some(&newest) {
            return Ok(said);
        }
        let mode = there.map_or(PutMode::Create, |there| PutMode::Update(there.version));
        // A failed write may have succeeded all the same; the next read shows it.
        if let Err(e) = storage.put_if(paths::LATEST, json(&newest).into(), mode).await {
            failures += 1;
            if failures == FAILURES {
                return Err(e);
            }
        }
        tries += 1;
        if tries == TRIES {
            let error =
                Error::new(ErrorKind::Io, "the file cannot be replaced").at("file", storage.shown(paths::LATEST));
            return Err(error.hint("the store must replace a file on condition that it has a certain ETag (If-Match)"));
        }
    }
}

#[cfg(test)]
mod tests;
