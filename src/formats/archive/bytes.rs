//! Gives blocking readers the bytes of an object, and messages the path under which its user knows it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

use datafusion::{
    common::{DataFusionError, Result, runtime::SpawnedTask},
    physical_plan::metrics::Count,
};
use object_store::{GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt, buffered};
use tokio_util::io::SyncIoBridge;

/// Number of bytes fetched at once from a remote store.
const FETCH_BYTES: usize = 8 << 20;

/// The bytes of a file, to be read on a thread that may block.
#[derive(Debug)]
pub(super) struct FileBytes {
    inner: Inner,
    read: Option<Count>,
}

#[derive(Debug)]
enum Inner {
    Local(File),
    Remote(Box<SyncIoBridge<buffered::BufReader>>),
}

/// Returns a file's path as its user would write it.
#[must_use]
pub fn display_path(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> String {
    let root = if store.to_string().starts_with("LocalFileSystem") { "/" } else { "" };
    format!("{root}{}", object.location)
}

/// Opens an object; the bytes read are counted.
pub(super) async fn open(store: &Arc<dyn ObjectStore>, object: &ObjectMeta, read: Option<Count>) -> Result<FileBytes> {
    let got = store.get(&object.location).await.map_err(|e| DataFusionError::ObjectStore(Box::new(e)))?;
    let inner = match got.payload {
        GetResultPayload::File(file, _) => Inner::Local(file),
        GetResultPayload::Stream(_) => {
            let reader = buffered::BufReader::with_capacity(store.clone(), &got.meta, FETCH_BYTES);
            Inner::Remote(Box::new(SyncIoBridge::new(reader)))
        }
    };
    Ok(FileBytes { inner, read })
}

/// Runs blocking work on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    SpawnedTask::spawn_blocking(work).join().await.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))
}

impl Read for FileBytes {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = match &mut self.inner {
            Inner::Local(file) => file.read(out)?,
            Inner::Remote(object) => object.read(out)?,
        };
        if let Some(count) = &self.read {
            count.add(read);
        }
        Ok(read)
    }
}

impl Seek for FileBytes {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match &mut self.inner {
            Inner::Local(file) => file.seek(to),
            Inner::Remote(object) => object.seek(to),
        }
    }
}
