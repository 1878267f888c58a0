//! Work that waits for the disk.

use datafusion::common::runtime::SpawnedTask;
use object_store::{Error, Result};

/// Runs work that waits for the disk on a thread that may wait.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    SpawnedTask::spawn_blocking(work).join().await.map_err(|source| Error::JoinError { source })?
}
