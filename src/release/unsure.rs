//! A store for tests whose answers to writes are unreliable.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a failed check of a test is a panic")]

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};

use super::Storage;

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It succeeds.
    Done,
    /// It succeeds, but is reported to have failed.
    DoneSaysNo,
    /// It succeeds and is repeated, and the repetition is told that the condition does not hold.
    DoneTwice,
    /// It fails.
    Lost,
}

/// A store in memory. The next writes to paths that contain a given text have given fates.
#[derive(Debug, Clone, Default)]
pub struct Unsure {
    inner: Arc<InMemory>,
    fates: Arc<Mutex<VecDeque<(&'static str, Fate)>>>,
}

impl Unsure {
    /// This store as a storage for releases.
    #[must_use]
    pub fn storage(&self) -> Storage {
        Storage::new(Arc::new(self.clone()), Path::from("demo"), "memory:///".parse().unwrap())
    }

    /// Sets the fate of the next write to a path that contains `part`; it is used after the fates that were set
    /// earlier.
    pub fn next(&self, part: &'static str, fate: Fate) {
        self.fates.lock().unwrap().push_back((part, fate));
    }

    fn fate(&self, path: &Path) -> Fate {
        let mut fates = self.fates.lock().unwrap();
        let next = fates.iter().position(|(part, _)| path.as_ref().contains(part));
        next.and_then(|next| fates.remove(next)).map_or(Fate::Done, |(_, fate)| fate)
    }
}

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unsure")
    }
}

#[async_trait]
impl ObjectStore for Unsure {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fate = self.fate(path);
        let no = || Error::Generic { store: "unsure", source: "503 Service Unavailable".into() };
        if fate == Fate::Lost {
            return Err(no());
        }
        let done = self.inner.put_opts(path, payload, options).await?;
        match fate {
            Fate::Done | Fate::Lost => Ok(done),
            Fate::DoneSaysNo => Err(no()),
            Fate::DoneTwice => Err(Error::AlreadyExists { path: path.to_string(), source: "412".into() }),
        }
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
