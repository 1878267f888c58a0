//! Decides what is removed from the folders of jobs, and of inferences whose units jobs share, when a store is cleaned
//! up.

use std::collections::BTreeSet;

use lamcat_core::error::Result;

use super::{
    arrange::TileClaim,
    commit,
    paths::{self, JobPaths},
    storage::StoredFile,
    store_contents::{Garbage, Reason, Store},
    units::UnitClaim,
};

/// What happens to a job when the store is cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// It stays: it can be continued, or its units are to be kept.
    Stays,
    /// Everything except its record is removed.
    Published,
    /// It is removed together with its release.
    Dropped,
    /// It is removed although it never produced a release.
    Unfinished,
}

impl Store<'_> {
    /// Whether nobody is working in a folder: none of its files was changed recently, nor any file of the jobs that use
    /// it, of their releases, or of the units that they use.
    pub(super) fn is_idle(&self, folder: &str) -> bool {
        let old = |id: &str| self.jobs.get(id).into_iter().flatten().all(|file| self.is_old(file.modified));
        old(folder)
            && self.users.of(folder).into_iter().all(|job| {
                let mut of_releases = self.releases_of(job).flat_map(|(_, files)| files);
                old(job)
                    && of_releases.all(|file| self.is_old(file.modified))
                    && self.users.inferences.get(job).is_none_or(|inference| old(inference))
            })
    }

    fn fate(&self, job: &str) -> Fate {
        if self.releases_of(job).any(|(folder, _)| self.dropped.contains(folder)) {
            return Fate::Dropped;
        }
        let is_published = |folder: &String| self.published.contains(folder) && self.finished.contains(folder);
        if self.releases_of(job).any(|(folder, _)| is_published(folder)) {
            return if self.keep.units { Fate::Stays } else { Fate::Published };
        }
        let is_whole = |folder: &String, files: &[StoredFile]| {
            self.finished.contains(folder) || self.has_lost_its_manifest(folder, files)
        };
        let whole = self.releases_of(job).any(|(folder, files)| is_whole(folder, files));
        if whole || self.keep.unfinished { Fate::Stays } else { Fate::Unfinished }
    }

    /// What happens to a folder: units stay as long as any job that uses them.
    fn folder_fate(&self, folder: &str) -> Fate {
        match self.users.jobs.get(folder) {
            Some(_) if self.users.unknown => Fate::Stays,
            Some(jobs) => jobs.iter().map(|job| self.fate(job)).min().unwrap_or(Fate::Unfinished),
            None => self.fate(folder),
        }
    }

    /// Finds the files to remove from the folder of a job or an inference.
    pub(super) async fn job(&self, folder: &str, files: &[StoredFile], found: &mut Vec<Garbage>) -> Result<()> {
        if !self.is_idle(folder) {
            return Ok(());
        }
        let record = JobPaths::new(folder).spec();
        let gone = |why, file: &StoredFile| Garbage { path: file.path.clone(), bytes: file.bytes, why };
        match self.folder_fate(folder) {
            Fate::Stays => return self.attempts(folder, files, found).await,
            // The record of what a release was made from stays as long as the release does.
            Fate::Published => {
                let others = files.iter().filter(|file| file.path != record);
                found.extend(others.map(|file| gone(Reason::Published, file)));
            }
            Fate::Dropped => found.extend(files.iter().map(|file| gone(Reason::Published, file))),
            Fate::Unfinished => found.extend(files.iter().map(|file| gone(Reason::Unfinished, file))),
        }
        Ok(())
    }

    /// Finds what attempts left behind in a folder that stays, and the leases of processes that died.
    async fn attempts(&self, folder: &str, files: &[StoredFile], found: &mut Vec<Garbage>) -> Result<()> {
        let paths = JobPaths::new(folder);
        let (mut named, mut all_read) = (BTreeSet::new(), true);
        for file in files {
            let rows = if is_claim(&file.path, &paths.units()) {
                commit::read::<UnitClaim>(self.storage, &file.path).await?.map(|claim| claim.rows)
            } else if is_claim(&file.path, &paths.tiles()) {
                commit::read::<TileClaim>(self.storage, &file.path).await?.map(|claim| claim.border)
            } else {
                continue;
            };
            all_read &= rows.is_some();
            named.extend(rows.flatten().map(|rows| rows.path));
        }
        let leases = format!("{}/", paths.leases());
        for file in files {
            let why = if file.path.starts_with(&leases) {
                Reason::Lease
            } else if all_read && paths::is_table(&file.path) && !named.contains(&file.path) {
                Reason::Attempt
            } else {
                continue;
            };
            found.push(Garbage { path: file.path.clone(), bytes: file.bytes, why });
        }
        Ok(())
    }

    /// The leaves of the release in a folder that are claimed by jobs which stay; `None` if not all are known.
    pub(super) async fn claimed_leaves(&self, folder: &str, found: &[Garbage]) -> Result<Option<BTreeSet<String>>> {
        let going: BTreeSet<&str> = found.iter().map(|gone| gone.path.as_str()).collect();
        let mut leaves = BTreeSet::new();
        for job in self.jobs_of(folder) {
            let tiles = JobPaths::new(job).tiles();
            let claims = self.jobs.get(job).into_iter().flatten();
            let claims = claims.filter(|file| is_claim(&file.path, &tiles) && !going.contains(file.path.as_str()));
            for file in claims {
                let Some(claim) = commit::read::<TileClaim>(self.storage, &file.path).await? else { return Ok(None) };
                leaves.insert(claim.leaf.path);
            }
        }
        Ok(Some(leaves))
    }
}

/// Whether a file is a claim in this folder of claims.
fn is_claim(file: &str, folder: &str) -> bool {
    let name = file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name.is_some_and(|name| !name.contains('/') && paths::is_json(name))
}
