//! Which jobs use the units of which inference.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, Result};
use serde::Deserialize;

use super::{
    commit,
    paths::JobPaths,
    storage::{Storage, StoredFile},
};

/// Records read at once.
const AT_ONCE: usize = 16;

/// The part of a job's record that says whose units it uses; jobs of older versions have units of their own.
#[derive(Deserialize)]
struct Record {
    inference: Option<String>,
}

/// Which jobs use the units of which inferences.
#[derive(Default)]
pub(super) struct Users {
    /// The inference of each job.
    pub(super) inferences: BTreeMap<String, String>,
    /// The jobs of each inference.
    pub(super) jobs: BTreeMap<String, Vec<String>>,
    /// Whether some job's record is damaged: that job may use any units.
    pub(super) unknown: bool,
}

impl Users {
    /// Reads the records of jobs.
    pub(super) async fn read(storage: &Storage, folders: &BTreeMap<String, Vec<StoredFile>>) -> Result<Self> {
        let recorded = folders.iter().filter(|(job, files)| {
            let record = JobPaths::new(job).spec();
            files.iter().any(|file| file.path == record)
        });
        let records = recorded.map(|(job, _)| async move {
            let record: Option<Record> = commit::read(storage, &JobPaths::new(job).spec()).await?;
            Ok::<_, Error>((job.clone(), record))
        });
        let records: Vec<(String, Option<Record>)> =
            futures::stream::iter(records).buffered(AT_ONCE).try_collect().await?;
        let inferences = folders.iter().filter(|(id, files)| {
            let record = JobPaths::new(id).inference();
            files.iter().any(|file| file.path == record)
        });
        let mut users = Self::default();
        users.jobs.extend(inferences.map(|(id, _)| (id.clone(), Vec::new())));
        for (job, record) in records {
            users.unknown |= record.is_none();
            if let Some(inference) = record.and_then(|record| record.inference) {
                users.jobs.entry(inference.clone()).or_default().push(job.clone());
                users.inferences.insert(job, inference);
            }
        }
        Ok(users)
    }

    /// The jobs that use a folder: those that share an inference, or the job itself.
    pub(super) fn of<'a>(&'a self, folder: &'a str) -> Vec<&'a str> {
        match self.jobs.get(folder) {
            Some(jobs) => jobs.iter().map(String::as_str).collect(),
            None => vec![folder],
        }
    }
}
