//! Uploads a file to a store, and computes its hash on the way.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::parquet::errors::{ParquetError, Result};
use object_store::{ObjectStore, buffered::BufWriter, path::Path};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

/// Bytes of a part.
const PART_BYTES: usize = 8 << 20;
/// Number of parts that are uploaded at once. Compression is slower than any store, so more parts would only take
/// memory when a store is slow.
const PARTS_AT_ONCE: usize = 2;

/// A file that is being uploaded.
pub(super) struct Upload {
    writer: BufWriter,
    hash: Sha256,
    bytes: u64,
}

/// A file that was uploaded.
pub(super) struct Uploaded {
    /// Size in bytes.
    pub(super) bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub(super) sha256: String,
}

impl Upload {
    /// Starts the upload of a file. The file appears under `path` only when the upload is finished.
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        let writer = BufWriter::with_capacity(store, path, PART_BYTES).with_max_concurrency(PARTS_AT_ONCE);
        Self { writer, hash: Sha256::new(), bytes: 0 }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn put(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        Ok(self.writer.put(Bytes::from(bytes)).await?)
    }

    /// Finishes the file.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn finish(mut self) -> Result<Uploaded> {
        self.writer.shutdown().await.map_err(|e| ParquetError::External(Box::new(e)))?;
        Ok(Uploaded { bytes: self.bytes, sha256: format!("{:x}", self.hash.finalize()) })
    }
}
