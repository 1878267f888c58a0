//! Multipart uploads that are always either completed or aborted, even if they are dropped.
//!
//! A store keeps the parts of an upload that was neither completed nor aborted, shows them nowhere and bills them. The
//! parts left by a killed process can only be removed by a rule of the bucket ("abort incomplete multipart uploads").

use std::{
    fmt,
    ops::Range,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart, path::Path,
};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

/// Uploads of this process that have not ended.
static OPEN: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// Waits until every upload of this process has ended, at most for `patience`; returns whether they have.
pub async fn settle(patience: Duration) -> bool {
    let mut open = OPEN.subscribe();
    let ended = open.wait_for(|open| *open == 0);
    tokio::time::timeout(patience, ended).await.is_ok()
}

/// Counts an upload as long as it exists.
#[derive(Debug)]
struct Counted;

impl Counted {
    fn new() -> Self {
        OPEN.send_modify(|open| *open += 1);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.send_modify(|open| *open -= 1);
    }
}

/// A store that aborts an upload dropped before its end.
#[derive(Debug, Clone)]
pub struct EndedUploads {
    store: Arc<dyn ObjectStore>,
}

impl EndedUploads {
    /// Wraps `store`; the files are the same.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }
}

impl fmt::Display for EndedUploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.store, f)
    }
}

/// An upload that has not ended yet, or nothing once it has.
#[derive(Debug)]
struct EndedUpload {
    open: Option<(Box<dyn MultipartUpload>, Counted)>,
    parts: Parts,
}

/// The parts that are being sent. A store may accept a part after the upload was aborted, and keep it; therefore the
/// parts continue when their waiter is dropped, and the upload is aborted after them.
#[derive(Debug, Default)]
struct Parts {
    on_their_way: watch::Sender<usize>,
    given_up: CancellationToken,
}

/// The time that a dropped upload waits for its parts.
const PARTS_PATIENCE: Duration = Duration::from_secs(1);
/// The time after which the store is expected to know the parts that were given up.
const PARTS_PAUSE: Duration = Duration::from_millis(300);

impl Parts {
    /// Starts sending a part when the returned future is first polled.
    fn sent(&self, part: UploadPart) -> UploadPart {
        let (on_their_way, given_up) = (self.on_their_way.clone(), self.given_up.clone());
        Box::pin(async move {
            on_their_way.send_modify(|parts| *parts += 1);
            #[expect(clippy::disallowed_methods, reason = "a part goes on when whoever waits for it is dropped")]
            let sent = tokio::spawn(async move {
                let sent = given_up.run_until_cancelled(part).await;
                on_their_way.send_modify(|parts| *parts -= 1);
                sent.unwrap_or_else(|| Err(has_ended()))
            });
            sent.await.unwrap_or_else(|_| Err(has_ended()))
        })
    }

    /// Waits for the parts that are being sent, or gives them up; returns whether they have all ended.
    async fn end(&self) -> bool {
        let mut parts = self.on_their_way.subscribe();
        let ended = tokio::time::timeout(PARTS_PATIENCE, parts.wait_for(|parts| *parts == 0)).await.is_ok();
        self.given_up.cancel();
        ended
    }
}

fn has_ended() -> object_store::Error {
    object_store::Error::Generic { store: "uploads", source: "the upload has ended".into() }
}

#[async_trait]
impl MultipartUpload for EndedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match &mut self.open {
            Some((upload, _)) => self.parts.sent(upload.put_part(data)),
            None => Box::pin(std::future::ready(Err(has_ended()))),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        // An upload that could not be completed is aborted when it is dropped.
        let done = self.open.as_mut().ok_or_else(has_ended)?.0.complete().await?;
        self.open = None;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = &mut self.open.as_mut().ok_or_else(has_ended)?.0;
        let aborted = abort(upload.as_mut(), &self.parts).await;
        self.open = None;
        aborted
    }
}

/// Aborts an upload once its parts have ended, or twice if they have not.
async fn abort(upload: &mut dyn MultipartUpload, parts: &Parts) -> Result<()> {
    let ended = parts.end().await;
    let aborted = upload.abort().await;
    if !ended {
        tokio::time::sleep(PARTS_PAUSE).await;
        // Usually the upload no longer exists.
        let _ = upload.abort().await;
    }
    aborted
}

impl Drop for EndedUpload {
    fn drop(&mut self) {
        let Some((mut upload, counted)) = self.open.take() else { return };
        let parts = std::mem::take(&mut self.parts);
        unattended(async move {
            // There is nobody to report this to: an error or a signal ended the upload.
            if let Err(e) = abort(upload.as_mut(), &parts).await {
                tracing::debug!("an upload could not be aborted: {e}");
            }
            drop(counted);
        });
    }
}

/// Runs work to its end even if its caller is dropped; the process waits for it in [`settle`].
fn unattended(work: impl Future<Output = ()> + Send + 'static) {
    // Without a runtime there is no connection to a store either.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(work);
    }
}

#[async_trait]
impl ObjectStore for EndedUploads {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (store, location) = (self.store.clone(), location.clone());
        let (sender, receiver) = oneshot::channel();
        let counted = Counted::new();
        unattended(async move {
            let began = store.put_multipart_opts(&location, options).await;
            // The caller may be gone meanwhile: then the upload is dropped here.
            let _ =
                sender.send(began.map(|upload| EndedUpload { open: Some((upload, counted)), parts: Parts::default() }));
        });
        let began = receiver.await.unwrap_or_else(|_| Err(has_ended()))?;
        Ok(Box::new(began))
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

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::StreamExt;
    use object_store::{ObjectStoreExt, buffered::BufWriter, memory::InMemory};
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// A store in memory that remembers how its uploads ended.
    #[derive(Debug, Clone, Default)]
    struct Watched {
        store: Arc<InMemory>,
        ends: Arc<Mutex<Vec<&'static str>>>,
        /// Numbers of parts that began and that ended.
        parts: Arc<Mutex<(usize, usize)>>,
        /// The time that sending a part takes.
        part: Duration,
    }

    #[derive(Debug)]
    struct WatchedUpload(Box<dyn MultipartUpload>, Watched);

    impl fmt::Display for Watched {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("watched")
        }
    }

    #[async_trait]
    impl MultipartUpload for WatchedUpload {
        fn put_part(&mut self, data: PutPayload) -> UploadPart {
            let (part, watched) = (self.0.put_part(data), self.1.clone());
            Box::pin(async move {
                watched.parts.lock().unwrap().0 += 1;
                tokio::time::sleep(watched.part).await;
                watched.parts.lock().unwrap().1 += 1;
                part.await
            })
        }

        async fn complete(&mut self) -> Result<PutResult> {
            self.1.ends.lock().unwrap().push("completed");
            self.0.complete().await
        }

        async fn abort(&mut self) -> Result<()> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let parts = *self.1.parts.lock().unwrap();
            let all = if parts.0 == parts.1 { "aborted" } else { "aborted with parts on their way" };
            self.1.ends.lock().unwrap().push(all);
            self.0.abort().await
        }
    }

    #[async_trait]
    impl ObjectStore for Watched {
        async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
            self.store.put_opts(location, payload, options).await
        }

        async fn put_multipart_opts(
            &self,
            location: &Path,
            options: PutMultipartOptions,
        ) -> Result<Box<dyn MultipartUpload>> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(Box::new(WatchedUpload(self.store.put_multipart_opts(location, options).await?, self.clone())))
        }

        async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
            self.store.get_opts(location, options).await
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
    }

    fn writer(watched: &Watched) -> BufWriter {
        BufWriter::with_capacity(Arc::new(EndedUploads::new(Arc::new(watched.clone()))), "a".into(), 64)
    }

    #[tokio::test]
    async fn an_upload_is_aborted_however_it_is_left() {
        let watched = Watched::default();
        let mut whole = writer(&watched);
        whole.put(vec![1; 200].into()).await.unwrap();
        whole.shutdown().await.unwrap();
        let mut dropped = writer(&watched);
        dropped.put(vec![1; 200].into()).await.unwrap();
        drop(dropped);
        let mut cancelled = writer(&watched);
        // The upload is dropped while the store is still creating it.
        let began = tokio::time::timeout(Duration::from_millis(5), cancelled.put(vec![1; 200].into())).await;
        assert!(began.is_err());
        drop(cancelled);
        assert!(settle(Duration::from_secs(10)).await);
        assert_eq!(*watched.ends.lock().unwrap(), ["completed", "aborted", "aborted"]);
        assert_eq!(watched.store.list(None).count().await, 1);
        assert_eq!(watched.store.get(&"a".into()).await.unwrap().bytes().await.unwrap().len(), 200);
    }

    /// Returns how an upload ends if it is dropped while its parts, each of which takes the time `part`, are being
    /// sent.
    async fn ends(part: Duration) -> Vec<&'static str> {
        let watched = Watched { part, ..Watched::default() };
        let mut dropped = writer(&watched);
        // More than one part of the minimum size that stores allow.
        dropped.put(vec![1; 11 << 20].into()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(watched.parts.lock().unwrap().0 > 0);
        drop(dropped);
        assert!(settle(Duration::from_secs(10)).await);
        watched.ends.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn parts_on_their_way_end_before_their_upload_is_aborted() {
        assert_eq!(ends(Duration::from_millis(500)).await, ["aborted"]);
        // Parts that take too long are given up, and the upload is aborted again once the store must know them.
        assert_eq!(ends(Duration::from_mins(1)).await, ["aborted with parts on their way"; 2]);
    }
}
