//! A store in memory that fails, or whose process dies, at a chosen step.

use std::{
    collections::BTreeMap,
    fmt, io,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
    client::{HttpError, HttpErrorKind},
    memory::InMemory,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use tokio_util::sync::CancellationToken;

use crate::faults_tried::Asked;

/// What happens at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the store does anything.
    DiesBefore,
    /// The process dies after the store has done it.
    DiesAfter,
    /// The answer has this status, and nothing is done.
    Refused(u16),
    /// It is done, and the answer has this status.
    DoneThen(u16),
    /// The connection is reset, and nothing is done.
    Reset,
    /// It is done, and the connection is reset.
    DoneThenReset,
    /// Half of the answer is received, then the connection is reset.
    Cut,
}

impl Fault {
    /// The faults that a request of this kind may have.
    pub fn at(asked: Asked) -> Vec<Self> {
        let refused = [Self::Refused(503), Self::Refused(429), Self::Reset];
        let more: &[Self] = match asked {
            Asked::Write => {
                &[Self::DiesBefore, Self::DiesAfter, Self::DoneThen(503), Self::DoneThen(500), Self::DoneThenReset]
            }
            Asked::Body => &[Self::Refused(500), Self::Cut],
            Asked::Short => &[Self::Refused(500)],
        };
        [&refused, more].concat()
    }

    /// Whether the process survives the fault.
    pub fn is_survived(self) -> bool {
        !matches!(self, Self::DiesBefore | Self::DiesAfter)
    }
}

/// A store, and the faults that it will have at given steps.
pub struct Faulty {
    store: Arc<InMemory>,
    steps: AtomicUsize,
    faults: BTreeMap<usize, Fault>,
    journal: Mutex<Vec<String>>,
    /// Uploads by name; `None` for those that have ended.
    uploads: Mutex<BTreeMap<String, Option<Parts>>>,
    dead: CancellationToken,
}

/// The parts of an upload by number.
type Parts = BTreeMap<usize, Bytes>;

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faulty({:?})", self.faults)
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty store")
    }
}

/// The error that a store's client returns for an answer with this status.
pub fn status(status: u16) -> Error {
    let source = format!("Error performing request - Server returned non-2xx status code: {status}: injected");
    Error::Generic { store: "S3", source: source.into() }
}

pub fn reset() -> Error {
    let source = HttpError::new(HttpErrorKind::Interrupted, io::Error::from(io::ErrorKind::ConnectionReset));
    Error::Generic { store: "S3", source: Box::new(source) }
}

impl Faulty {
    pub fn new(store: Arc<InMemory>, faults: impl IntoIterator<Item = (usize, Fault)>) -> Arc<Self> {
        let (steps, faults) = (AtomicUsize::new(0), faults.into_iter().collect());
        Arc::new(Self {
            store,
            steps,
            faults,
            journal: Mutex::default(),
            uploads: Mutex::default(),
            dead: CancellationToken::new(),
        })
    }

    /// Number of steps so far.
    pub fn steps(&self) -> usize {
        self.steps.load(Ordering::SeqCst)
    }

    /// The requests, step by step.
    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().unwrap().clone()
    }

    /// The content of the store.
    pub fn memory(&self) -> Arc<InMemory> {
        self.store.clone()
    }

    /// Ends after the process has died.
    pub async fn dead(&self) {
        self.dead.cancelled().await;
    }

    pub fn is_dead(&self) -> bool {
        self.dead.is_cancelled()
    }

    async fn die(&self) {
        self.dead.cancel();
        std::future::pending::<()>().await;
    }

    /// Takes a step; returns its fault if that comes after the operation is done.
    async fn step(&self, what: &str, path: Option<&Path>) -> Result<Option<Fault>> {
        if self.is_dead() {
            self.die().await;
        }
        let number = self.steps.fetch_add(1, Ordering::SeqCst);
        self.journal.lock().unwrap().push(format!("{what} {}", path.map(ToString::to_string).unwrap_or_default()));
        tokio::task::yield_now().await;
        let fault = self.faults.get(&number).copied();
        match fault {
            Some(Fault::DiesBefore) => self.die().await,
            Some(Fault::Refused(code)) => return Err(status(code)),
            Some(Fault::Reset) => return Err(reset()),
            _ => {}
        }
        Ok(fault)
    }

    /// What is returned for an operation that was done, given the fault.
    async fn after<T>(&self, fault: Option<Fault>, done: Result<T>) -> Result<T> {
        match fault {
            Some(Fault::DiesAfter) => self.die().await,
            Some(Fault::DoneThen(code)) => return Err(status(code)),
            Some(Fault::DoneThenReset | Fault::Cut) => return Err(reset()),
            _ => {}
        }
        done
    }

    /// Changes an upload, which is not found if it has ended, as in S3.
    fn upload<T>(&self, path: &Path, id: &str, what: impl FnOnce(&mut Option<Parts>) -> Option<T>) -> Result<T> {
        let mut uploads = self.uploads.lock().unwrap();
        let done = uploads.get_mut(id).and_then(what);
        done.ok_or_else(|| Error::NotFound { path: path.to_string(), source: "no such upload".into() })
    }

    /// A listing, whose names are all fixed when it starts.
    fn listing(
        self: Arc<Self>,
        what: &'static str,
        prefix: Option<Path>,
        list: impl FnOnce(&InMemory) -> BoxStream<'static, Result<ObjectMeta>> + Send + 'static,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = async move {
            let fault = self.step(what, prefix.as_ref()).await?;
            let mut objects: Vec<ObjectMeta> = list(&self.store).try_collect().await?;
            if fault == Some(Fault::Cut) {
                objects.truncate(objects.len() / 2);
                return Ok::<_, Error>(
                    stream::iter(objects).map(Ok).chain(stream::once(async { Err(reset()) })).boxed(),
                );
            }
            self.after(fault, Ok(())).await?;
            Ok(stream::iter(objects).map(Ok).boxed())
        };
        stream::once(listed).try_flatten().boxed()
    }
}

/// The faulty store as an object store; it is shared because of its streams.
#[derive(Debug, Clone)]
pub struct Seen(pub Arc<Faulty>);

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Seen {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let fault = self.0.step("PUT", Some(path)).await?;
        let done = self.0.store.put_opts(path, payload, options).await;
        self.0.after(fault, done).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.0.step("POST", Some(path)).await?;
        let done = self.0.store.put_multipart_opts(path, options).await;
        self.0.after(fault, done).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let range = options.range.as_ref().map(|range| format!(" {range}")).unwrap_or_default();
        let method = if options.head { "HEAD" } else { "GET" };
        let fault = self.0.step(&format!("{method}{range}"), Some(path)).await?;
        let got = self.0.store.get_opts(path, options).await;
        if fault != Some(Fault::Cut) {
            return self.0.after(fault, got).await;
        }
        let got = got?;
        let Range { start, end } = got.range.clone();
        let (meta, attributes, range) = (got.meta.clone(), got.attributes.clone(), got.range.clone());
        let bytes = got.bytes().await?.slice(..((end - start) / 2) as usize);
        let payload = stream::iter([Ok(bytes), Err(reset())]).boxed();
        Ok(GetResult { payload: GetResultPayload::Stream(payload), meta, attributes, range })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.0.clone();
        let deleted = async move {
            let paths: Vec<Path> = paths.try_collect().await?;
            let fault = this.step("DELETE", paths.first()).await?;
            let request = stream::iter(paths.into_iter().map(Ok)).boxed();
            let done: Vec<Result<Path>> = this.store.delete_stream(request).collect().await;
            this.after(fault, Ok(())).await?;
            Ok::<_, Error>(stream::iter(done))
        };
        stream::once(deleted).try_flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let below = prefix.cloned();
        self.0.clone().listing("LIST", prefix.cloned(), move |store| store.list(below.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (below, offset) = (prefix.cloned(), offset.clone());
        let list = move |store: &InMemory| store.list_with_offset(below.as_ref(), &offset);
        self.0.clone().listing("LIST after", prefix.cloned(), list)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fault = self.0.step("LIST folders", prefix).await?;
        let done = self.0.store.list_with_delimiter(prefix).await;
        self.0.after(fault, done).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.0.step("COPY", Some(to)).await?;
        let done = self.0.store.copy_opts(from, to, options).await;
        self.0.after(fault, done).await
    }
}

#[async_trait]
impl MultipartStore for Seen {
    async fn create_multipart(&self, path: &Path) -> Result<String> {
        let fault = self.0.step("POST", Some(path)).await?;
        let id = {
            let mut uploads = self.0.uploads.lock().unwrap();
            let id = format!("upload-{}", uploads.len());
            uploads.insert(id.clone(), Some(BTreeMap::new()));
            id
        };
        self.0.after(fault, Ok(id)).await
    }

    async fn put_part(&self, path: &Path, id: &String, number: usize, data: PutPayload) -> Result<PartId> {
        let fault = self.0.step("PUT part", Some(path)).await?;
        let done = self.0.upload(path, id, |parts| {
            parts.as_mut().map(|parts| parts.insert(number, data.into())).map(|_| PartId { content_id: String::new() })
        });
        self.0.after(fault, done).await
    }

    async fn complete_multipart(&self, path: &Path, id: &String, parts: Vec<PartId>) -> Result<PutResult> {
        let fault = self.0.step("POST complete", Some(path)).await?;
        let whole = self.0.upload(path, id, Option::take)?;
        assert_eq!(whole.len(), parts.len());
        let whole: Vec<u8> = whole.into_values().flatten().collect();
        let done = self.0.store.put(path, whole.into()).await;
        self.0.after(fault, done).await
    }

    async fn abort_multipart(&self, path: &Path, id: &String) -> Result<()> {
        let fault = self.0.step("DELETE upload", Some(path)).await?;
        let done = self.0.upload(path, id, Option::take).map(|_| ());
        self.0.after(fault, done).await
    }
}
