//! Files that only one process can create: claims, leases, records of jobs, entries of logs.
//!
//! If several processes create such a file at the same time, exactly one wins, by a conditional write. The store's
//! answer alone does not tell who won: a store may do a write and then report that it failed, or its answer may get
//! lost, and when the write is repeated the file is already there. So each attempt writes a *nonce* of its own into the
//! file. A process that was not told that it won reads the file back, and the nonce tells whether the file is its own.
//!
//! A file that is not valid JSON, as a power failure can leave behind on a disk, counts as missing. It is replaced on
//! the condition that it has not changed, so again exactly one process wins.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lamcat_core::error::{Error, ErrorKind, Result};
use object_store::{ObjectStoreExt, PutMode, UpdateVersion};
use serde::{Deserialize, Serialize, de::DeserializeOwned, de::IgnoredAny};

use super::{
    paths::JOBS,
    storage::{Read, Storage, attempt_name, json},
};

/// How often a file is created again if it is missing or damaged each time it is read back.
const ROUNDS: u32 = 6;
/// Pause before the second round; each further pause is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(50);

/// The outcome of creating a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit<T> {
    /// The file is there with the content it should have, whatever the store answered.
    Won,
    /// Another attempt's file is there, with this content.
    Lost(T),
}

/// A value with the nonce of the attempt that wrote it.
#[derive(Serialize)]
struct Signed<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    nonce: &'a str,
}

/// The nonce of a file, whatever else the file contains; files of older versions have none.
#[derive(Deserialize)]
struct Nonce {
    nonce: Option<String>,
}

/// The file under a name, if there is one.
enum Found {
    Nothing,
    Whole(Read),
    Damaged(UpdateVersion),
}

/// Creates a file that contains `value`, unless it exists.
///
/// # Errors
/// If the store fails and the file is not there afterwards, or if the file that is there was not written by this
/// program. In these cases the write may still arrive later, so everything that the file refers to must stay.
pub async fn create<T: Serialize + DeserializeOwned>(storage: &Storage, name: &str, value: &T) -> Result<Commit<T>> {
    create_over(storage, name, value, |_| false).await
}

/// Like [`create`], but a file for whose content `is_over` returns true counts as missing.
///
/// # Errors
/// The same as for [`create`].
pub async fn create_over<T: Serialize + DeserializeOwned>(
    storage: &Storage,
    name: &str,
    value: &T,
    is_over: impl Fn(&T) -> bool,
) -> Result<Commit<T>> {
    let nonce = attempt_name();
    let bytes = Bytes::from(json(&Signed { value, nonce: &nonce }));
    let (mut mode, mut pause) = (PutMode::Create, PAUSE);
    for _ in 0..ROUNDS {
        let put = storage.put_if(name, bytes.clone(), mode.clone()).await;
        if matches!(put, Ok(true)) {
            return Ok(Commit::Won);
        }
        match (read_found(storage, name).await, put) {
            (Ok(Found::Whole(there)), put) => {
                if is_signed(&there.bytes, &nonce) {
                    return Ok(Commit::Won);
                }
                let theirs = parsed(storage, name, &there.bytes)?;
                if !is_over(&theirs) {
                    return Ok(Commit::Lost(theirs));
                }
                put?;
                mode = PutMode::Update(there.version);
            }
            (_, Err(e)) | (Err(e), _) => return Err(e),
            // The file has been deleted since, or the store makes concurrent writers wait for each other.
            (Ok(Found::Nothing), Ok(_)) => mode = PutMode::Create,
            (Ok(Found::Damaged(version)), Ok(_)) => {
                tracing::warn!("{} is empty or damaged and is written anew", storage.shown(name));
                mode = PutMode::Update(version);
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    let error = Error::new(ErrorKind::Io, "the file can neither be created nor read").at("file", storage.shown(name));
    Err(error.hint("others delete or damage it at the same time: look who works in this folder").retryable(true))
}

/// The content of a JSON file; `None` if the file is missing or too damaged to be parsed.
///
/// # Errors
/// If the store fails, or the file was not written by this program.
pub async fn read<T: DeserializeOwned>(storage: &Storage, name: &str) -> Result<Option<T>> {
    match read_found(storage, name).await? {
        Found::Whole(there) => parsed(storage, name, &there.bytes).map(Some),
        Found::Nothing => Ok(None),
        Found::Damaged(_) => {
            tracing::warn!("{} is empty or damaged and counts as not there", storage.shown(name));
            Ok(None)
        }
    }
}

/// Reads a file, and reads it a second time before calling it damaged: the damage can also happen in transit.
async fn read_found(storage: &Storage, name: &str) -> Result<Found> {
    let mut damaged: Option<UpdateVersion> = None;
    for _ in 0..ROUNDS {
        let Some(there) = storage.read(name).await? else { return Ok(Found::Nothing) };
        if serde_json::from_slice::<IgnoredAny>(&there.bytes).is_ok() {
            return Ok(Found::Whole(there));
        }
        if damaged.as_ref() == Some(&there.version) && storage.is_still(name, &there).await? {
            return Ok(Found::Damaged(there.version));
        }
        damaged = Some(there.version);
    }
    let error =
        Error::new(ErrorKind::Io, "the file comes damaged, and otherwise each time").at("file", storage.shown(name));
    Err(error.retryable(true))
}

fn is_signed(bytes: &[u8], nonce: &str) -> bool {
    serde_json::from_slice::<Nonce>(bytes).is_ok_and(|there| there.nonce.as_deref() == Some(nonce))
}

fn parsed<T: DeserializeOwned>(storage: &Storage, name: &str, bytes: &[u8]) -> Result<T> {
    let other = |e| {
        let error =
            Error::new(ErrorKind::Input, "the file does not say what it should").at("file", storage.shown(name));
        error.source(e).hint("it may be of another version of lamcat, or not of lamcat at all: then move it away")
    };
    serde_json::from_slice(bytes).map_err(other)
}

/// The content of the files that [`Storage::check`] writes.
#[derive(Serialize, Deserialize)]
struct Probe {
    probe: u8,
}

impl Storage {
    /// Checks that the store lets exactly one of several writers win, on which everything else relies. Returns the time
    /// by the store's clock, which is the same for all its users.
    ///
    /// # Errors
    /// If the store does not do that, or cannot be written to.
    pub async fn check(&self) -> Result<DateTime<Utc>> {
        let name = format!("{}/probe-{}", JOBS, attempt_name());
        let first = create(self, &name, &Probe { probe: 1 }).await?;
        let second = create(self, &name, &Probe { probe: 2 }).await?;
        let written =
            self.store().head(&self.path(&name)).await.map_err(|e| self.failed("cannot read the file", &name, e))?;
        if let Err(e) = self.delete(&name).await {
            tracing::debug!("a trial of the store is left behind: {e}");
        }
        if matches!((first, second), (Commit::Won, Commit::Lost(Probe { probe: 1 }))) {
            return Ok(written.last_modified);
        }
        Err(Error::new(ErrorKind::Io, "the store lets two writers create the same file")
            .at("store", self.shown(""))
            .hint(
                "use a store with conditional writes: a local folder, S3, GCS, Azure; of S3's likes not all have them",
            ))
    }
}

#[cfg(test)]
mod tests;
