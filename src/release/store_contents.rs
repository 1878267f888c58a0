//! The contents of a store that is being cleaned up, and the reasons why some of it is garbage.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{
    job_users::Users,
    paths, publish, releases,
    storage::{Storage, StoredFile},
};

/// The rules for what stays when a store is cleaned up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Files that were changed more recently than this stay.
    pub older_than: TimeDelta,
    /// Number of releases that stay: the current one and those that rolling back would reach first. `None` keeps all.
    pub releases: Option<usize>,
    /// Whether the rows of units stay after their release is published.
    pub units: bool,
    /// Whether jobs stay that never produced a release; they can still be continued.
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
    /// It was written to test whether the store can be used.
    Probe,
    /// It is the lease of a task on which nobody works any more.
    Lease,
    /// It belongs to an attempt that no claim names.
    Attempt,
    /// It belongs to a job whose release is published.
    Published,
    /// It belongs to a job that never produced a release.
    Unfinished,
    /// It is in a release's folder but not in the release's manifest.
    Unlisted,
    /// It belongs to a release that was not finished and that no job will finish.
    NoManifest,
    /// It belongs to a release beyond the number to keep.
    OldRelease,
    /// It is a report about a release that is gone or will be removed.
    Report,
    /// It is an incomplete upload.
    Upload,
}

impl Reason {
    /// The reason in words, for people.
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

/// Describes a file as garbage.
pub(super) fn garbage(file: &StoredFile, why: Reason) -> Garbage {
    Garbage { path: file.path.clone(), bytes: file.bytes, why }
}

/// The files in a store.
pub(super) struct Store<'a> {
    pub(super) storage: &'a Storage,
    pub(super) keep: &'a Keep,
    now: DateTime<Utc>,
    /// Files of jobs and inferences by their identity, and files of releases by their folder.
    pub(super) jobs: BTreeMap<String, Vec<StoredFile>>,
    pub(super) releases: BTreeMap<String, Vec<StoredFile>>,
    /// Which jobs use the units of which inferences.
    pub(super) users: Users,
    /// Files in the jobs folder that belong to no job.
    pub(super) loose: Vec<StoredFile>,
    /// Folders that have ever been current.
    pub(super) published: BTreeSet<String>,
    /// Folders of releases whose manifest can be read.
    pub(super) finished: BTreeSet<String>,
    /// Folders of releases that will be removed.
    pub(super) dropped: BTreeSet<String>,
}

impl<'a> Store<'a> {
    /// Reads what is in a store.
    pub(super) async fn read(storage: &'a Storage, keep: &'a Keep, now: DateTime<Utc>) -> Result<Self> {
        // This also checks that the store contains a catalogue.
        let finished = releases::list(storage).await?;
        let finished: BTreeSet<String> = finished.into_iter().map(|release| release.folder).collect();
        let log = whole_log(storage).await?;
        let latest = publish::latest(storage).await?;
        let history = releases::history(&log);
        let published = log.into_iter().chain(latest.clone()).map(|entry| entry.folder).collect();
        let mut dropped = BTreeSet::new();
        // Without a log, nobody knows what is current.
        if let Some(count) = keep.releases.filter(|_| !history.is_empty()) {
            let kept: BTreeSet<&String> = history.iter().rev().take(count.max(1)).collect();
            // A release that was partly removed has no manifest any more.
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

    /// The folders of the releases that a job makes.
    pub(super) fn releases_of<'s>(&'s self, job: &'s str) -> impl Iterator<Item = (&'s String, &'s Vec<StoredFile>)> {
        self.releases.iter().filter(move |(folder, _)| paths::is_release_of(folder, job))
    }

    /// The jobs that make the release in a folder.
    pub(super) fn jobs_of<'s>(&'s self, folder: &'s str) -> impl Iterator<Item = &'s String> {
        self.jobs.keys().filter(move |job| paths::is_release_of(folder, job))
    }

    /// Whether a release is or was complete, although its manifest cannot be read now.
    pub(super) fn has_lost_its_manifest(&self, folder: &str, files: &[StoredFile]) -> bool {
        let manifest = format!("{folder}/{}", paths::MANIFEST);
        let was_whole = self.published.contains(folder) || files.iter().any(|file| file.path == manifest);
        was_whole && !self.finished.contains(folder)
    }
}

/// The complete log. Every entry must be readable, since each may name a release that must stay.
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
