//! Blocking disk operations.

use datafusion::common::runtime::SpawnedTask;
use object_store::{Error, Result};

/// Runs a blocking disk operation on a thread that may block.
pub(super) async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    SpawnedTask::spawn_blocking(work).join().await.map_err(|source| Error::JoinError { source })?
}
