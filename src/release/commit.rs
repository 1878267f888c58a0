//! Files that only one may create: claims, leases, records of jobs, entries of logs.
//!
//! Of several who create such a file at once exactly one wins, by a conditional write. The answer alone does not say who:
//! a store may do a write and then say that it failed, or not be heard, and when the write is tried again the file is there
//! already. So each attempt writes a *nonce* of its own into the file. Whoever is not told that he won reads the file back
//! and knows by the nonce whether it is his.
//!
//! A file that is no JSON, as a power failure can leave one behind on a disk, says nothing and counts as not there: it is
//! replaced on condition that it is still that file, so again one of several wins.

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

/// Times that a file is created anew which vanishes, or is damaged, whenever it is looked at.
const ROUNDS: u32 = 6;
/// Time before the second round; each further one waits twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(50);

/// The outcome of creating a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit<T> {
    /// The file is there and says what it was to say, whatever the store answered.
    Won,
    /// Another attempt's file is there, which says this.
    Lost(T),
}

/// A value with the nonce of the attempt that wrote it.
#[derive(Serialize)]
struct Signed<'a, T> {
    #[serde(flatten)]
    value: &'a T,
    nonce: &'a str,
}

/// The nonce of a file, whatever else it says; files of old have none.
#[derive(Deserialize)]
struct Nonce {
    nonce: Option<String>,
}

/// The file that is under a name, if any.
enum Found {
    Nothing,
    Whole(Read),
    Damaged(UpdateVersion),
}

/// Creates a file that says `value`, unless there is one.
///
/// # Errors
/// If the store fails and the file is not there afterwards, or what is there was not written by this program. Then the
/// write may still be on its way: what the file was to name must stay.
pub async fn create<T: Serialize + DeserializeOwned>(storage: &Storage, name: &str, value: &T) -> Result<Commit<T>> {
    create_over(storage, name, value, |_| false).await
}

/// [`create`], where a file also counts as not there if `is_over` says so of what is in it.
///
/// # Errors
/// As those of [`create`].
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
        match (look(storage, name).await, put) {
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
            // It was deleted since, or the store makes its writers wait for each other.
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

/// What a JSON file says; `None` if it is not there, or so damaged that it says nothing.
///
/// # Errors
/// If the store fails, or the file was not written by this program.
pub async fn read<T: DeserializeOwned>(storage: &Storage, name: &str) -> Result<Option<T>> {
    match look(storage, name).await? {
        Found::Whole(there) => parsed(storage, name, &there.bytes).map(Some),
        Found::Nothing => Ok(None),
        Found::Damaged(_) => {
            tracing::warn!("{} is empty or damaged and counts as not there", storage.shown(name));
            Ok(None)
        }
    }
}

/// Looks at a file, twice before it is called damaged: on the way to here a file can be damaged too.
async fn look(storage: &Storage, name: &str) -> Result<Found> {
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

/// The text of the files that [`Storage::check`] writes.
#[derive(Serialize, Deserialize)]
struct Probe {
    probe: u8,
}

impl Storage {
    /// Makes sure that the store lets one of several writers win, on which everything else rests. Gives the time by the
    /// store's clock, which is the same for all who use it.
    ///
    /// # Errors
    /// If it does not, or cannot be written to.
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
