//! Finds and removes the files in a store that nothing needs.
//!
//! A file is considered only if it was last changed some time ago (`older_than`). Nothing that belongs to a job, or to
//! the release that the job makes, is touched while any of their files is younger: the job may be running. The log,
//! [`paths::LATEST`], the files of the current release, and what an unfinished job would continue from (its claims and
//! the files they name) are never touched. If a file that says what is needed cannot be read, everything that it may
//! have named stays.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use chrono::{DateTime, Utc};

pub use super::store_contents::{Garbage, Keep, Reason};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::is_unfinished,
};

use super::{
    paths, releases,
    storage::{Storage, StoredFile},
    store_contents::{Store, garbage},
};

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
    // Files that refer to others go first, so that a claim or a manifest never refers to a deleted file.
    found.sort_by_key(|file: &Garbage| (!paths::is_json(&file.path), file.path.clone()));
    Ok(found)
}

/// Removes what [`find`] found.
///
/// # Errors
/// If the store fails; what was removed before that stays removed.
pub async fn remove(storage: &Storage, garbage: &[Garbage]) -> Result<()> {
    let root = storage.local_root();
    // The store does not list unfinished uploads by name.
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

/// Removes a folder and its parents as far as they are empty. An object store has no folders; a disk has.
fn remove_empty_folders(root: &Path, folder: &str) {
    let above = Path::new(folder).ancestors().filter(|folder| folder.components().count() > 1);
    for folder in above {
        // This fails for a folder that is not empty, and then its parents are not empty either.
        if std::fs::remove_dir(root.join(folder)).is_err() {
            return;
        }
    }
}

impl Store<'_> {
    async fn release(&self, folder: &str, files: &[StoredFile], found: &mut Vec<Garbage>) -> Result<()> {
        if !self.jobs_of(folder).all(|job| self.is_idle(job)) {
            return Ok(());
        }
        let old = files.iter().filter(|file| self.is_old(file.modified));
        if self.dropped.contains(folder) {
            // All of it or nothing: what was left would be a damaged release.
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

    /// The reports of releases that are gone or will go.
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

/// Unfinished files on a local disk, which stores do not list.
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
