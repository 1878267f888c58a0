//! What lies in a store that nothing needs, and its removal.
//!
//! A file is looked at only if it was last changed a while ago (`older_than`), and nothing of a job or of the release
//! that it makes is touched while any of their files is younger: the job may be running. Never touched are the log,
//! [`paths::LATEST`], the files of the current release, and what an unfinished job would go on from: its claims and what
//! they name. What cannot be read says nothing about what is needed: then everything stays that it may have named.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{
    jobs::Users,
    paths, publish, releases,
    storage::{Storage, StoredFile},
};
use crate::{
    error::{Error, ErrorKind, Result},
    outputs::is_unfinished,
};

/// What is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Files that were changed less than this ago stay.
    pub older_than: TimeDelta,
    /// Releases that stay: the current one and those that rolling back would reach first. `None` for all.
    pub releases: Option<usize>,
    /// Whether the rows of units stay when their release is published.
    pub units: bool,
    /// Whether jobs stay that never came to a release; they can still be gone on with.
    pub unfinished: bool,
}

/// A file that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// Path below the store's root.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Why it is not needed.
    pub why: Reason,
}

/// Why a file is not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was a trial whether the store can be used.
    Probe,
    /// It said that somebody works on a task who no longer does.
    Lease,
    /// It is of an attempt that no claim names.
    Attempt,
    /// It is of a job whose release is published.
    Published,
    /// It is of a job that never came to a release.
    Unfinished,
    /// It lies in a release's folder and is not of the release.
    Unlisted,
    /// It is of a release that was not finished and that no job will finish.
    NoManifest,
    /// It is of a release beyond those that are kept.
    OldRelease,
    /// It is a report of a release that is not there or goes.
    Report,
    /// It is half an upload.
    Upload,
}

impl Reason {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Probe => "trials of the store",
            Self::Lease => "leases of runs that ended",
            Self::Attempt => "attempts that do not count",
            Self::Published => "jobs whose release is published",
            Self::Unfinished => "jobs that were not finished",
            Self::Unlisted => "in a release's folder, but not of it",
            Self::NoManifest => "releases that were not finished",
            Self::OldRelease => "releases beyond those to keep",
            Self::Report => "reports of releases that are gone",
            Self::Upload => "uploads that were cut off",
        }
    }
}

/// Finds what nothing needs, as of `now`; changes nothing.
///
/// # Errors
/// If the store fails, there is no catalogue, or a manifest or a claim is damaged.
pub async fn find(storage: &Storage, keep: &Keep, now: DateTime<Utc>) -> Result<Vec<Garbage>> {
    let store = Store::read(storage, keep, now).await?;
    let mut found = Vec::new();
    for (job, files) in &store.jobs {
        store.job(job, files, &mut found).await?;
    }
    for (folder, files) in &store.releases {
        store.release(folder, files, &mut found).await?;
    }
    store.reports(&mut found).await?;
    for file in &store.loose {
        if store.is_old(file.modified) {
            found.push(garbage(file, Reason::Probe));
        }
    }
    if let Some(root) = storage.local_root() {
        uploads(&root, &root, &store, &mut found);
    }
    // What names others goes first: a claim or a manifest never names what is gone.
    found.sort_by_key(|file: &Garbage| (!paths::is_json(&file.path), file.path.clone()));
    Ok(found)
}

/// Removes what [`find`] found.
///
/// # Errors
/// If the store fails; what was removed until then is gone.
pub async fn remove(storage: &Storage, garbage: &[Garbage]) -> Result<()> {
    let root = storage.local_root();
    // The store does not know names of half uploads.
    let (uploads, stored): (Vec<_>, Vec<_>) =
        garbage.iter().partition(|file| root.is_some() && file.why == Reason::Upload);
    let (naming, named): (Vec<_>, Vec<_>) = stored.into_iter().partition(|file| paths::is_json(&file.path));
    for files in [naming, named] {
        storage.delete_all(&files.iter().map(|file| &file.path).collect::<Vec<_>>()).await?;
    }
    let Some(root) = root else { return Ok(()) };
    for file in uploads {
        let path = root.join(&file.path);
        let failed = |e| Error::new(ErrorKind::Io, "cannot delete the file").at("file", path.display()).source(e);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
    }
    let folders: BTreeSet<&str> = garbage.iter().filter_map(|file| Some(file.path.rsplit_once('/')?.0)).collect();
    folders.iter().rev().for_each(|folder| remove_empty_folders(&root, folder));
    Ok(())
}

/// Removes a folder and those above it that have nothing in them; a store has no folders, a disk has.
fn remove_empty_folders(root: &Path, folder: &str) {
    let above = Path::new(folder).ancestors().filter(|folder| folder.components().count() > 1);
    for folder in above {
        // It fails where there is something left, and then above too.
        if std::fs::remove_dir(root.join(folder)).is_err() {
            return;
        }
    }
}

fn garbage(file: &StoredFile, why: Reason) -> Garbage {
    Garbage { path: file.path.clone(), bytes: file.bytes, why }
}

/// What there is in a store.
pub(super) struct Store<'a> {
    pub(super) storage: &'a Storage,
    pub(super) keep: &'a Keep,
    now: DateTime<Utc>,
    /// Files of jobs and inferences by their identity, and of releases by their folder.
    pub(super) jobs: BTreeMap<String, Vec<StoredFile>>,
    releases: BTreeMap<String, Vec<StoredFile>>,
    /// Which jobs take units from where.
    pub(super) users: Users,
    /// Files among the jobs that are of none.
    loose: Vec<StoredFile>,
    /// Folders that ever were current.
    pub(super) published: BTreeSet<String>,
    /// Folders of releases whose manifest can be read.
    pub(super) finished: BTreeSet<String>,
    /// Folders of releases that go.
    pub(super) dropped: BTreeSet<String>,
}

impl<'a> Store<'a> {
    async fn read(storage: &'a Storage, keep: &'a Keep, now: DateTime<Utc>) -> Result<Self> {
        // Also makes sure that this is a catalogue's store.
        let finished = releases::list(storage).await?;
        let finished: BTreeSet<String> = finished.into_iter().map(|release| release.folder).collect();
        let log = whole_log(storage).await?;
        let latest = publish::latest(storage).await?;
        let history = releases::history(&log);
        let published = log.into_iter().chain(latest.clone()).map(|entry| entry.folder).collect();
        let mut dropped = BTreeSet::new();
        // Without a log nobody knows what is current.
        if let Some(count) = keep.releases.filter(|_| !history.is_empty()) {
            let kept: BTreeSet<&String> = history.iter().rev().take(count.max(1)).collect();
            // One of which a part was removed has no manifest any more.
            dropped = finished.union(&published).cloned().collect();
            dropped.retain(|folder| !kept.contains(folder) && latest.as_ref().is_none_or(|l| l.folder != *folder));
        }
        let mut store = Self {
            storage,
            keep,
            now,
            jobs: BTreeMap::new(),
            users: Users::default(),
            releases: BTreeMap::new(),
            loose: Vec::new(),
            published,
            finished,
            dropped,
        };
        for file in storage.list(paths::JOBS).await? {
            match file.path.split('/').collect::<Vec<_>>()[..] {
                [_, job, _, ..] => store.jobs.entry(job.to_owned()).or_default().push(file),
                _ => store.loose.push(file),
            }
        }
        store.users = Users::read(storage, &store.jobs).await?;
        for file in storage.list(paths::RELEASES).await? {
            if let [releases, release, _, ..] = file.path.split('/').collect::<Vec<_>>()[..] {
                store.releases.entry(format!("{releases}/{release}")).or_default().push(file);
            }
        }
        Ok(store)
    }

    pub(super) fn is_old(&self, modified: DateTime<Utc>) -> bool {
        self.now - modified >= self.keep.older_than
    }

    /// The folders of releases that a job makes.
    pub(super) fn releases_of<'s>(&'s self, job: &'s str) -> impl Iterator<Item = (&'s String, &'s Vec<StoredFile>)> {
        self.releases.iter().filter(move |(folder, _)| paths::is_release_of(folder, job))
    }

    /// The jobs that make the release in a folder.
    pub(super) fn jobs_of<'s>(&'s self, folder: &'s str) -> impl Iterator<Item = &'s String> {
        self.jobs.keys().filter(move |job| paths::is_release_of(folder, job))
    }

    /// Whether a release is, or was, whole, though its manifest cannot be read now.
    pub(super) fn has_lost_its_manifest(&self, folder: &str, files: &[StoredFile]) -> bool {
        let manifest = format!("{folder}/{}", paths::MANIFEST);
        let was_whole = self.published.contains(folder) || files.iter().any(|file| file.path == manifest);
        was_whole && !self.finished.contains(folder)
    }

    async fn release(&self, folder: &str, files: &[StoredFile], found: &mut Vec<Garbage>) -> Result<()> {
        if !self.jobs_of(folder).all(|job| self.is_idle(job)) {
            return Ok(());
        }
        let old = files.iter().filter(|file| self.is_old(file.modified));
        if self.dropped.contains(folder) {
            // All of it or nothing, or what is left would be a damaged release.
            if files.iter().all(|file| self.is_old(file.modified)) {
                found.extend(old.map(|file| garbage(file, Reason::OldRelease)));
            }
            return Ok(());
        }
        if self.has_lost_its_manifest(folder, files) {
            let folder = self.storage.shown(folder);
            tracing::warn!("{folder} was finished, but its manifest cannot be read: nothing of it is removed");
            return Ok(());
        }
        let (mut named, why) = match releases::manifest(self.storage, folder).await? {
            Some(manifest) => {
                let named: BTreeSet<String> =
                    manifest.files.iter().map(|file| format!("{folder}/{}", file.path)).collect();
                (named, Reason::Unlisted)
            }
            None => (BTreeSet::new(), Reason::NoManifest),
        };
        named.insert(format!("{folder}/{}", paths::MANIFEST));
        if why == Reason::NoManifest {
            let Some(claimed) = self.claimed_leaves(folder, found).await? else { return Ok(()) };
            named.extend(claimed);
        }
        found.extend(old.filter(|file| !named.contains(&file.path)).map(|file| garbage(file, why)));
        Ok(())
    }

    /// The reports of releases of which nothing is there or stays.
    async fn reports(&self, found: &mut Vec<Garbage>) -> Result<()> {
        let going: BTreeSet<String> = found.iter().map(|gone| gone.path.clone()).collect();
        for file in self.storage.list(paths::REPORTS).await? {
            let Some(folder) = paths::release_of_report(&file.path) else { continue };
            let mut files = self.releases.get(&folder).into_iter().flatten();
            if self.is_old(file.modified) && files.all(|file| going.contains(&file.path)) {
                found.push(garbage(&file, Reason::Report));
            }
        }
        Ok(())
    }
}

/// The log, of which every entry must be known: each may name a release that is to stay.
async fn whole_log(storage: &Storage) -> Result<Vec<publish::Current>> {
    let log = publish::Log::read(storage).await?;
    let Some(damaged) = log.damaged.first() else { return Ok(log.entries) };
    let error =
        Error::new(ErrorKind::Input, "an entry of the log is damaged: which release it made current is not known");
    Err(error.at("file", storage.shown(damaged)).hint(
        "nothing is removed; if every release that is to stay is named by another entry (see `lamcat release list`), delete \
         this file and try again",
    ))
}

/// Files that were not finished on a local disk, which stores do not list.
fn uploads(root: &Path, folder: &Path, store: &Store<'_>, found: &mut Vec<Garbage>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            uploads(root, &path, store, found);
            continue;
        }
        let staged = path.file_name().and_then(|name| name.to_str()).is_some_and(is_unfinished);
        let old = metadata.modified().is_ok_and(|time| store.is_old(time.into()));
        let below = path.strip_prefix(root).ok().and_then(Path::to_str);
        if let Some(below) = below.filter(|_| staged && old && metadata.is_file()) {
            found.push(Garbage { path: below.to_owned(), bytes: metadata.len(), why: Reason::Upload });
        }
    }
}
