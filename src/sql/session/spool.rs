//! A store for data that has no file of its own: standard input, and members of archives. The data is held in files
//! without a name, so that nothing is left of them however the process ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::common::runtime::SpawnedTask;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// Its name in URLs.
pub(super) const SCHEME: &str = "spool";
/// Number of bytes that are read at once.
const READ_BYTES: u64 = 1 << 20;

/// The files, by path.
#[derive(Default)]
pub(super) struct Spool {
    files: RwLock<BTreeMap<Path, Arc<Kept>>>,
}

struct Kept {
    file: Mutex<File>,
    meta: ObjectMeta,
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, part: &Range<u64>) -> std::io::Result<Bytes> {
        let mut file = self.lock();
        file.seek(SeekFrom::Start(part.start))?;
        let mut bytes = vec![0; (part.end - part.start) as usize];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl Spool {
    /// Stores a file under a path, replacing what was there.
    pub(super) fn keep(&self, path: Path, file: File, size: u64, last_modified: DateTime<Utc>) -> ObjectMeta {
        let meta = ObjectMeta { location: path.clone(), last_modified, size, e_tag: None, version: None };
        let kept = Kept { file: Mutex::new(file), meta: meta.clone() };
        self.files.write().unwrap_or_else(PoisonError::into_inner).insert(path, Arc::new(kept));
        meta
    }

    /// Removes the files below a path.
    pub(super) fn forget(&self, folder: &Path) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.retain(|path, _| !is_below(path, folder));
    }

    /// The files below a path, in order.
    pub(super) fn below(&self, folder: &Path) -> Vec<ObjectMeta> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.values().filter(|kept| is_below(&kept.meta.location, folder)).map(|kept| kept.meta.clone()).collect()
    }

    fn find(&self, path: &Path) -> Result<Arc<Kept>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let missing = || Error::NotFound { path: path.to_string(), source: "nothing is kept under this name".into() };
        files.get(path).cloned().ok_or_else(missing)
    }
}

/// Whether a path is inside a folder.
fn is_below(path: &Path, folder: &Path) -> bool {
    path.prefix_match(folder).is_some_and(|mut rest| rest.next().is_some())
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spool")
    }
}

impl fmt::Display for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spool")
    }
}

/// The error for operations that need an ordinary file.
fn unsupported<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: "Spool".to_owned() })
}

#[async_trait]
impl ObjectStore for Spool {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        unsupported("put")
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        unsupported("put in parts")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let kept = self.find(location)?;
        options.check_preconditions(&kept.meta)?;
        let meta = kept.meta.clone();
        let range = match &options.range {
            Some(range) => {
                range.as_range(meta.size).map_err(|e| Error::Generic { store: SCHEME, source: Box::new(e) })?
            }
            None => 0..meta.size,
        };
        let end = if options.head { range.start } else { range.end };
        let parts = (range.start..end).step_by(READ_BYTES as usize).map(move |at| at..end.min(at + READ_BYTES));
        let read = move |part: Range<u64>| {
            let kept = kept.clone();
            async move {
                let read = SpawnedTask::spawn_blocking(move || kept.read(&part)).join().await;
                let read = read.map_err(|e| Error::Generic { store: SCHEME, source: Box::new(e) })?;
                read.map_err(|e| Error::Generic { store: SCHEME, source: Box::new(e) })
            }
        };
        let payload = GetResultPayload::Stream(stream::iter(parts).then(read).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        locations.map(|_| unsupported("delete")).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::iter(self.below(prefix.unwrap_or(&Path::default())).into_iter().map(Ok)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let root = Path::default();
        let prefix = prefix.unwrap_or(&root);
        let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
        for object in self.below(prefix) {
            let mut rest = object.location.prefix_match(prefix).into_iter().flatten();
            match (rest.next(), rest.next()) {
                (Some(folder), Some(_)) => drop(folders.insert(prefix.clone().join(folder))),
                _ => objects.push(object.clone()),
            }
        }
        Ok(ListResult { common_prefixes: folders.into_iter().collect(), objects })
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        unsupported("copy")
    }
}
