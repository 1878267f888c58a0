//! Files of one query that are published together, after its last row.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::{common::Result as EngineResult, execution::object_store::ObjectStoreRegistry};
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, path::Path,
};
use url::Url;

use super::{cannot_write, remove_leftovers};

/// The files of a query.
#[derive(Debug, Clone, Default)]
pub(super) struct Together(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    files: Vec<Waiting>,
    /// The first failure of a store; sinks hide it behind their own messages.
    failure: Option<(String, Error)>,
    /// Set once nothing more is accepted: the query has failed or was dropped.
    over: bool,
}

/// A file that waits for the query to end.
#[derive(Debug)]
struct Waiting {
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Small(PutPayload, PutOptions),
    Uploaded(Box<dyn MultipartUpload>),
}

impl Waiting {
    async fn put(&mut self) -> Result<()> {
        match &mut self.content {
            Content::Small(payload, options) => {
                self.store.put_opts(&self.path, payload.clone(), options.clone()).await?;
            }
            Content::Uploaded(upload) => {
                upload.complete().await?;
            }
        }
        Ok(())
    }

    /// Removes what killed queries left of a local file.
    fn remove_leftovers(&self) {
        let local = self.shown.starts_with('/').then(|| Url::parse(&format!("file:///{}", self.path)).ok()).flatten();
        if let Some(path) = local.and_then(|url| url.to_file_path().ok()) {
            remove_leftovers(&path);
        }
    }

    async fn abort(mut self) {
        if let Content::Uploaded(upload) = &mut self.content {
            // An upload that cannot be aborted now is aborted again when it is dropped.
            let _ = upload.abort().await;
        }
    }
}

impl Together {
    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the stores of `registry`; files in them wait for [`Together::put_in_place`].
    pub(super) fn stores(&self, registry: Arc<dyn ObjectStoreRegistry>) -> Arc<dyn ObjectStoreRegistry> {
        Arc::new(Stores { registry, together: self.clone() })
    }

    /// Publishes the files. If that fails for one of them, those already published are removed again. This is safe:
    /// several files have names of their own and replaced nothing, and a single file has no others to remove.
    pub(super) async fn put_in_place(&self) -> EngineResult<()> {
        let waiting = std::mem::take(&mut self.lock().files);
        if let [only] = &waiting[..] {
            only.remove_leftovers();
        }
        let mut waiting = waiting.into_iter();
        let mut done: Vec<(Arc<dyn ObjectStore>, Path)> = Vec::new();
        while let Some(mut file) = waiting.next() {
            let Err(e) = file.put().await else {
                done.push((file.store.clone(), file.path.clone()));
                continue;
            };
            let error = cannot_write(&file.shown, e);
            for file in std::iter::once(file).chain(waiting) {
                file.abort().await;
            }
            for (store, path) in done {
                // The error that caused this is returned; nothing more can be done.
                let _ = store.delete(&path).await;
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Discards the files and returns the first failure of a store, if there was one.
    pub(super) async fn give_up(&self) -> Option<crate::error::Error> {
        let (files, failure) = {
            let mut parts = self.lock();
            parts.over = true;
            (std::mem::take(&mut parts.files), parts.failure.take())
        };
        for file in files {
            file.abort().await;
        }
        failure.map(|(path, e)| cannot_write(path, e))
    }

    fn add(&self, file: Waiting) -> Result<PutResult> {
        let mut parts = self.lock();
        if parts.over {
            return Err(over());
        }
        parts.files.push(file);
        Ok(PutResult { e_tag: None, version: None })
    }

    /// Records why a store failed and returns an error to pass on in its place.
    fn failed(&self, shown: &str, e: Error) -> Error {
        let text = e.to_string();
        self.lock().failure.get_or_insert_with(|| (shown.to_owned(), e));
        Error::Generic { store: "output", source: text.into() }
    }
}

/// The error of a writer that continues after its query has ended.
fn over() -> Error {
    Error::Generic { store: "output", source: "the query has ended".into() }
}

#[derive(Debug)]
struct Stores {
    registry: Arc<dyn ObjectStoreRegistry>,
    together: Together,
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.registry.register_store(url, store)
    }

    fn get_store(&self, url: &Url) -> EngineResult<Arc<dyn ObjectStore>> {
        let store = self.registry.get_store(url)?;
        let root = match (url.scheme(), url.host_str()) {
            (scheme, Some(host)) => format!("{scheme}://{host}/"),
            _ => "/".to_owned(),
        };
        Ok(Arc::new(WaitingStore { store, root, together: self.together.clone() }))
    }
}

/// A store whose new files wait for the query to end.
#[derive(Debug)]
struct WaitingStore {
    store: Arc<dyn ObjectStore>,
    /// The prefix of a file's path in messages.
    root: String,
    together: Together,
}

impl fmt::Display for WaitingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.store, f)
    }
}

#[async_trait]
impl ObjectStore for WaitingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let content = Content::Small(payload, options);
        let shown = format!("{}{location}", self.root);
        self.together.add(Waiting { store: self.store.clone(), path: location.clone(), shown, content })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let began = self.store.put_multipart_opts(location, options).await;
        let shown = format!("{}{location}", self.root);
        let upload = began.map_err(|e| self.together.failed(&shown, e))?;
        Ok(Box::new(WaitingUpload {
            upload: Some(upload),
            store: self.store.clone(),
            path: location.clone(),
            shown,
            together: self.together.clone(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.store.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.store.rename_opts(from, to, options).await
    }
}

/// An upload whose completion waits for the query to end.
#[derive(Debug)]
struct WaitingUpload {
    /// `None` once the upload waits or was aborted.
    upload: Option<Box<dyn MultipartUpload>>,
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: String,
    together: Together,
}

#[async_trait]
impl MultipartUpload for WaitingUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let Some(upload) = &mut self.upload else { return Box::pin(std::future::ready(Err(over()))) };
        let put = upload.put_part(data);
        let (together, shown) = (self.together.clone(), self.shown.clone());
        Box::pin(async move { put.await.map_err(|e| together.failed(&shown, e)) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let upload = self.upload.take().ok_or_else(over)?;
        let (store, path, shown) = (self.store.clone(), self.path.clone(), self.shown.clone());
        self.together.add(Waiting { store, path, shown, content: Content::Uploaded(upload) })
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.take().ok_or_else(over)?.abort().await
    }
}
