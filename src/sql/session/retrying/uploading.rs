//! Uploads whose parts are sent again under the same numbers.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use object_store::{
    Error, MultipartUpload, ObjectStoreExt, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
    multipart::{MultipartStore, PartId},
    path::Path,
};

use super::Remote;

/// An upload in progress.
struct Upload {
    remote: Arc<Remote>,
    store: Arc<dyn MultipartStore>,
    path: Path,
    id: String,
    bytes: u64,
    /// Parts by number; `None` for those that are still being sent.
    parts: Arc<Mutex<Vec<Option<PartId>>>>,
}

/// Starts an upload. If the store started an upload but its answer was lost, that upload is left behind, as its
/// identifier is unknown.
pub(super) async fn begin(
    remote: &Arc<Remote>,
    path: &Path,
    options: PutMultipartOptions,
) -> Result<Box<dyn MultipartUpload>> {
    let plain = options == PutMultipartOptions::default();
    let Some(store) = remote.parts.as_ref().filter(|_| plain) else {
        let begin = || remote.store.put_multipart_opts(path, options.clone());
        return remote.persist("POST", Some(path), begin).await.0;
    };
    let id = remote.persist("POST", Some(path), || store.create_multipart(path)).await.0?;
    let (remote, store, path) = (remote.clone(), store.clone(), path.clone());
    Ok(Box::new(Upload { remote, store, path, id, bytes: 0, parts: Arc::default() }))
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({})", self.path)
    }
}

impl Upload {
    fn parts(&self) -> Result<Vec<PartId>> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Option<Vec<PartId>> = parts.iter().cloned().collect();
        let missing = || Error::Generic { store: "remote", source: "a part of the upload is missing".into() };
        all.ok_or_else(missing)
    }

    /// The stored file, if an earlier attempt has completed this upload.
    async fn ended(&self) -> Result<Option<PutResult>> {
        let head = || self.remote.store.head(&self.path);
        match self.remote.persist("HEAD", Some(&self.path), head).await.0 {
            Ok(object) if object.size == self.bytes => {
                Ok(Some(PutResult { e_tag: object.e_tag, version: object.version }))
            }
            Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.bytes += data.content_length() as u64;
        let number = {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            parts.push(None);
            parts.len() - 1
        };
        let (remote, store, parts) = (self.remote.clone(), self.store.clone(), self.parts.clone());
        let (path, id) = (self.path.clone(), self.id.clone());
        Box::pin(async move {
            let put = || store.put_part(&path, &id, number, data.clone());
            let part = remote.persist("PUT of a part of", Some(&path), put).await.0?;
            parts.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(part);
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let parts = self.parts()?;
        let complete = || self.store.complete_multipart(&self.path, &self.id, parts.clone());
        match self.remote.persist("POST", Some(&self.path), complete).await {
            // The upload no longer exists if an attempt succeeded whose answer was lost.
            (Err(e @ Error::NotFound { .. }), true) => self.ended().await?.ok_or(e),
            (done, _) => done,
        }
    }

    async fn abort(&mut self) -> Result<()> {
        let abort = || self.store.abort_multipart(&self.path, &self.id);
        match self.remote.persist("DELETE", Some(&self.path), abort).await {
            (Err(Error::NotFound { .. }), true) => Ok(()),
            (done, _) => done,
        }
    }
}
