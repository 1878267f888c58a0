//! Finds out what is wrong with a file that had been written completely. When rows that were counted cannot be read
//! back, their files are examined here, and the claims of damaged files are withdrawn, so that the next run repeats
//! that work.

use datafusion::error::DataFusionError;
use lamcat_core::error::{Error, ErrorKind, Result};
use object_store::{ObjectStoreExt, buffered::BufReader};
use sha2::{Digest, Sha256};
use tokio::io::AsyncBufReadExt;

use super::{parquet_file::Written, storage::Storage};

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 4 << 20;

/// A file that should contain rows, and the claim that says so.
pub(super) struct Source<'a> {
    pub(super) claim: String,
    pub(super) file: &'a Written,
}

/// SHA-256 of a file's bytes, in hexadecimal.
pub(super) async fn hash(storage: &Storage, path: &str) -> Result<String> {
    let failed = |e| Error::new(ErrorKind::Io, "cannot read the file").at("file", storage.shown(path)).source(e);
    let meta = storage.store().head(&storage.path(path)).await.map_err(|e| failed(e.into()))?;
    let mut reader = BufReader::with_capacity(storage.store().clone(), &meta, READ_BYTES);
    let mut hash = Sha256::new();
    loop {
        let bytes = reader.fill_buf().await.map_err(failed)?;
        if bytes.is_empty() {
            return Ok(format!("{:x}", hash.finalize()));
        }
        hash.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
}

/// What is wrong with a file; `None` if it is as it was written, judged by its size and, with `every_byte`, by its
/// hash.
async fn damage(storage: &Storage, file: &Written, every_byte: bool) -> Result<Option<String>> {
    Ok(match storage.size(&file.path).await? {
        None => Some("is gone".to_owned()),
        Some(bytes) if bytes != file.bytes => Some(format!("has {bytes} bytes in place of {}", file.bytes)),
        Some(_) if every_byte && hash(storage, &file.path).await? != file.sha256 => {
            Some("has other bytes than were written".to_owned())
        }
        Some(_) => None,
    })
}

/// The error for rows of units that cannot be read.
pub(super) fn unreadable(e: &DataFusionError) -> Error {
    Error::from_datafusion("cannot read the rows of units", e)
}

/// The error for `sources` that could not be read, or that have another number of rows than `wanted`. The claims of
/// damaged files are withdrawn.
pub(super) async fn lost_rows(
    storage: &Storage,
    sources: Vec<Source<'_>>,
    seen: Result<u64, DataFusionError>,
    wanted: u64,
) -> Error {
    let seen = seen.map_or_else(|e| unreadable(&e), |found| miscounted(found, wanted));
    // If the store does not answer, that says nothing about the files.
    let every_byte = !seen.is_retryable();
    withdraw_damaged(storage, sources, every_byte).await.map_or_else(|e| e, |damaged| damaged.unwrap_or(seen))
}

/// Withdraws the claims of damaged files. Returns the error about the first of them.
pub(super) async fn withdraw_damaged(
    storage: &Storage,
    sources: Vec<Source<'_>>,
    every_byte: bool,
) -> Result<Option<Error>> {
    let (mut first, mut files) = (None, 0);
    for Source { claim, file } in sources {
        let Some(what) = damage(storage, file, every_byte).await? else { continue };
        storage.delete(&claim).await?;
        files += 1;
        let message = format!("a file with rows of the catalogue {what}");
        first = first.or_else(|| Some(Error::new(ErrorKind::Io, message).at("file", storage.shown(&file.path))));
    }
    Ok(first.map(|error| {
        error
            .at("files", files)
            .retryable(true)
            .hint("nothing was published; run again: these rows are computed again, and everything else is reused")
    }))
}

/// The error message for a number of rows that differs from the one counted before.
pub(super) fn miscounted(found: u64, wanted: u64) -> Error {
    Error::new(ErrorKind::Io, format!("{found} rows were read where {wanted} had been counted"))
        .hint("nothing was published; if running again does not help, delete the folders jobs and units and run again")
}
