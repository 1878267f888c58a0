//! Making a release the current one.
//!
//! What is current is the last entry of a log whose entries are created, never overwritten: of two that publish at once
//! one gets a number and the other takes the next. `LATEST` repeats the last entry for readers; whoever writes it looks
//! afterwards whether there is a newer one, so it never stays behind.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    assemble::Manifest,
    paths,
    storage::{Storage, json},
};
use crate::error::{Error, ErrorKind, Result};

/// An entry of the log; also what `LATEST` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Number of the entry.
    pub number: u64,
    /// Why it was made.
    pub action: Action,
    /// Name of the catalogue.
    pub name: String,
    /// Version of the data (semver).
    pub version: String,
    /// Folder of the release, below the root: open this, with lsdb or as HATS.
    pub folder: String,
    /// Hash of its manifest.
    pub manifest_sha256: String,
    /// When: `2026-12-02T10:00:00Z`.
    pub time: String,
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

/// The log, oldest first.
///
/// # Errors
/// If the store fails or an entry is damaged.
pub async fn log(storage: &Storage) -> Result<Vec<Current>> {
    let mut entries = Vec::new();
    for file in storage.list(paths::LOG).await? {
        if paths::log_number(&file.path).is_some() {
            entries.extend(storage.get_json::<Current>(&file.path).await?);
        }
    }
    Ok(entries)
}

/// The current release, if there is one.
///
/// # Errors
/// If the store fails or an entry is damaged.
pub async fn current(storage: &Storage) -> Result<Option<Current>> {
    let files = storage.list(paths::LOG).await?;
    let newest = files.iter().filter_map(|file| paths::log_number(&file.path)).max();
    match newest {
        Some(number) => storage.get_json(&paths::log_entry(number)).await,
        None => Ok(None),
    }
}

/// Makes the release in `folder` the current one, unless it is.
///
/// # Errors
/// If the folder has no manifest, or the store fails.
pub async fn make_current(storage: &Storage, folder: &str, action: Action) -> Result<Current> {
    let path = format!("{folder}/{}", paths::MANIFEST);
    let bytes = storage.require(&path).await?;
    let bad = |e| Error::new(ErrorKind::Input, "the manifest is damaged").at("file", storage.shown(&path)).source(e);
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(bad)?;
    let manifest_sha256 = format!("{:x}", Sha256::digest(&bytes));
    loop {
        let last = current(storage).await?;
        if let Some(last) = last.as_ref().filter(|last| last.folder == folder) {
            return repeat_latest(storage, last.clone()).await;
        }
        let entry = Current {
            number: last.map_or(1, |last| last.number + 1),
            action,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            folder: folder.to_owned(),
            manifest_sha256: manifest_sha256.clone(),
            time: super::clock::now_seconds(),
        };
        if storage.create_json(&paths::log_entry(entry.number), &entry).await? {
            return repeat_latest(storage, entry).await;
        }
    }
}

/// Writes `LATEST` until it is the last entry.
async fn repeat_latest(storage: &Storage, mut entry: Current) -> Result<Current> {
    loop {
        storage.put(paths::LATEST, json(&entry)).await?;
        match current(storage).await? {
            Some(newest) if newest.number > entry.number => entry = newest,
            _ => return Ok(entry),
        }
    }
}
