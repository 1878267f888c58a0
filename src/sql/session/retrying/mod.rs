//! A remote store that survives single failures: every operation is retried as long as that can help.
//!
//! The underlying clients send each request only once, so this module knows what was tried and how it ended. Reading
//! continues where a body broke off, a listing continues after the last name received, and a part of an upload is sent
//! again under the same number. Uncertainty is reported: a conditional write that failed and was sent again may be
//! refused because the first attempt had succeeded, see [`Unsure`].

mod deleting;
mod listing;
mod policy;
mod reading;
mod uploading;

use std::{fmt, future::Future, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, multipart::MultipartStore, path::Path,
};

use policy::Patience;
pub use policy::Retries;

/// A store whose operations are retried.
pub struct Retrying(Arc<Remote>);

/// The underlying store, and the limits for retries.
struct Remote {
    store: Arc<dyn ObjectStore>,
    /// The multipart uploads of the same store; `None` if it does not support them.
    parts: Option<Arc<dyn MultipartStore>>,
    retries: Retries,
}

impl Retrying {
    /// Wraps a store that supports multipart uploads.
    pub fn new<S: ObjectStore + MultipartStore>(store: S, retries: Retries) -> Self {
        let store = Arc::new(store);
        Self(Arc::new(Remote { store: store.clone(), parts: Some(store), retries }))
    }

    /// Wraps a store that is only read, or written with single requests.
    pub fn without_parts(store: impl ObjectStore, retries: Retries) -> Self {
        Self(Arc::new(Remote { store: Arc::new(store), parts: None, retries }))
    }
}

impl Remote {
    fn patience(&self, what: &'static str, path: Option<&Path>) -> Patience {
        let path = path.map(ToString::to_string).unwrap_or_default();
        Patience::new(&self.retries, format!("{what} {}/{path}", self.store))
    }

    /// Repeats `operation` until it succeeds or has no chance of success; also returns whether it was tried more than
    /// once.
    async fn persist<T, W: Future<Output = Result<T>>>(
        &self,
        what: &'static str,
        path: Option<&Path>,
        operation: impl Fn() -> W,
    ) -> (Result<T>, bool) {
        let mut patience = self.patience(what, path);
        loop {
            match operation().await {
                Err(e) if patience.allows(&e).await => {}
                done => return (done, patience.attempts() > 1),
            }
        }
    }
}

/// The refusal of a repeated write, after an attempt whose outcome is unknown.
#[derive(Debug, thiserror::Error)]
#[error("an earlier attempt may have written it: {0}")]
struct Unsure(Box<dyn std::error::Error + Send + Sync>);

/// Marks the refusal of a write that was sent more than once.
fn marked<T>((done, again): (Result<T>, bool)) -> Result<T> {
    match done {
        Err(Error::AlreadyExists { path, source }) if again => {
            Err(Error::AlreadyExists { path, source: Box::new(Unsure(source)) })
        }
        Err(Error::Precondition { path, source }) if again => {
            Err(Error::Precondition { path, source: Box::new(Unsure(source)) })
        }
        done => done,
    }
}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}

impl fmt::Debug for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retrying({})", self.0.store)
    }
}

#[async_trait]
impl ObjectStore for Retrying {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let put = || self.0.store.put_opts(path, payload.clone(), options.clone());
        let done = self.0.persist("PUT", Some(path), put).await;
        if matches!(options.mode, PutMode::Overwrite) { done.0 } else { marked(done) }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        uploading::begin(&self.0, path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let get = || self.0.store.get_opts(path, options.clone());
        let got = self.0.persist("GET", Some(path), get).await.0?;
        Ok(reading::resumed(self.0.clone(), path, &options, got))
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        deleting::deleted(self.0.clone(), paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::listed(self.0.clone(), prefix.cloned(), None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        listing::listed(self.0.clone(), prefix.cloned(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.persist("LIST", prefix, || self.0.store.list_with_delimiter(prefix)).await.0
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copy = || self.0.store.copy_opts(from, to, options.clone());
        let done = self.0.persist("COPY", Some(to), copy).await;
        if matches!(options.mode, CopyMode::Overwrite) { done.0 } else { marked(done) }
    }
}
