//! Decides which claims of earlier attempts still count: those whose files still exist unchanged, and which agree with
//! the stage before. Other claims are withdrawn, and their tasks are done again.

use std::collections::HashMap;

use lamcat_core::error::Result;
use lamcat_release::{Storage, parquet_file::Written};

use super::claims::Claim;

/// The claims that still count.
pub(super) struct ValidClaims<C> {
    /// Sizes of the files that existed when the tasks were started.
    there: HashMap<String, u64>,
    fits: Box<Fits<C>>,
}

/// Says whether the claim of a task agrees with the stage before.
type Fits<C> = dyn Fn(usize, &C) -> bool + Send + Sync;

impl<C: Claim> ValidClaims<C> {
    /// The valid claims among those that name files in `folders`. `fits` says whether the claim of a task agrees with
    /// the stage before.
    pub(super) async fn new(
        storage: &Storage,
        folders: &[String],
        fits: impl Fn(usize, &C) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut there = HashMap::new();
        for folder in folders {
            there.extend(storage.list(folder).await?.into_iter().map(|file| (file.path, file.bytes)));
        }
        Ok(Self { there, fits: Box::new(fits) })
    }

    /// Whether the claim of a task counts.
    pub(super) async fn contains(&self, storage: &Storage, task: usize, claim: &C) -> Result<bool> {
        if !(self.fits)(task, claim) {
            return Ok(false);
        }
        for file in claim.files() {
            if !self.has(storage, file).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a file exists; files that others wrote meanwhile are looked up in the store.
    async fn has(&self, storage: &Storage, file: &Written) -> Result<bool> {
        Ok(self.there.get(&file.path) == Some(&file.bytes) || storage.size(&file.path).await? == Some(file.bytes))
    }
}
