//! A folder of this machine as a store whose files outlast a power failure.
//!
//! What `object_store` writes to a disk is there for other programs at once, but reaches the disk whenever the system
//! likes: after a power failure a file may be empty that others rest on. Here bytes are on the disk before the file has
//! its name, and the name is on the disk before the write is done. Files can also be replaced on condition that they are
//! still what was read, as in object stores.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Write},
    path::{Path as FilePath, PathBuf},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UpdateVersion, UploadPart,
    local::LocalFileSystem, path::Path,
};
use rand::Rng;
use tempfile::TempPath;

/// Numbers that a file may have while it is written, as those of `object_store`: such files are in no listing.
const STAGED: std::ops::Range<u32> = 1..1000;

/// A store of local files, written by way of the disk.
#[derive(Debug, Default)]
pub struct Durable {
    inner: LocalFileSystem,
}

impl Durable {
    /// The files of this machine, by their absolute paths.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces a file unless it has changed since it had this version. Those who replace it wait for each other.
    async fn update(&self, location: &Path, staged: TempPath, version: &UpdateVersion) -> Result<()> {
        let path = self.inner.path_to_filesystem(location)?;
        let held = on_disk(&path, lock).await?;
        if self.inner.head(location).await?.e_tag != version.e_tag {
            return Err(Error::Precondition { path: location.to_string(), source: "the file has changed".into() });
        }
        let replaced = on_disk(&path, |path| name(staged, path, true)).await;
        drop(held);
        replaced
    }
}

impl fmt::Display for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Durable {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let path = self.inner.path_to_filesystem(location)?;
        let staged = on_disk(&path, move |path| stage(path, &payload)).await?;
        match &options.mode {
            PutMode::Overwrite => on_disk(&path, |path| name(staged, path, true)).await?,
            PutMode::Create => on_disk(&path, |path| name(staged, path, false)).await?,
            PutMode::Update(version) => self.update(location, staged, version).await?,
        }
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.inner.path_to_filesystem(location)?;
        on_disk(&path, |path| folders(parent(path))).await?;
        Ok(Box::new(DurableUpload { inner: self.inner.put_multipart_opts(location, options).await?, path }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
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

/// A large file on its way to the disk.
#[derive(Debug)]
struct DurableUpload {
    inner: Box<dyn MultipartUpload>,
    path: PathBuf,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let put = self.inner.complete().await?;
        let sync = |path: &FilePath| File::open(path)?.sync_all().and_then(|()| sync_folder(parent(path)));
        on_disk(&self.path, sync).await?;
        Ok(put)
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

/// Does something with a path on a thread that may wait for the disk.
async fn on_disk<T: Send + 'static>(
    path: &FilePath,
    work: impl FnOnce(&FilePath) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || work(&path).map_err(|e| failed(&path, e))).await?
}

fn failed(path: &FilePath, e: io::Error) -> Error {
    let (path, kind) = (path.display().to_string(), e.kind());
    let source = Box::new(e);
    match kind {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        io::ErrorKind::NotFound => Error::NotFound { path, source },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source },
        _ => Error::Generic { store: "LocalFileSystem", source },
    }
}

fn parent(path: &FilePath) -> &FilePath {
    path.parent().unwrap_or(path)
}

/// Writes bytes to the disk under a name beside `path` that is in no listing.
fn stage(path: &FilePath, payload: &PutPayload) -> io::Result<TempPath> {
    let (mut file, staged) = loop {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!("#{}", rand::rng().random_range(STAGED)));
        match File::options().write(true).create_new(true).open(&beside) {
            Ok(file) => break (file, TempPath::try_from_path(beside)?),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            // A folder may also be tidied away by somebody at any time.
            Err(e) if e.kind() == io::ErrorKind::NotFound => folders(parent(path))?,
            Err(e) => return Err(e),
        }
    };
    payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
    file.sync_all()?;
    Ok(staged)
}

/// Gives what was staged its name.
fn name(staged: TempPath, path: &FilePath, over: bool) -> io::Result<()> {
    let named = if over { staged.persist(path) } else { staged.persist_noclobber(path) };
    named.map_err(|e| e.error)?;
    sync_folder(parent(path))
}

/// Makes a folder and those above it.
fn folders(folder: &FilePath) -> io::Result<()> {
    let missing: Vec<&FilePath> = folder.ancestors().take_while(|above| !above.exists()).collect();
    fs::create_dir_all(folder)?;
    missing.into_iter().rev().try_for_each(|made| sync_folder(parent(made)))
}

/// Brings the names in a folder to the disk, where the file system can.
fn sync_folder(folder: &FilePath) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Waits until nobody else holds a file, and holds it. Where the file system has no locks nobody waits.
fn lock(path: &FilePath) -> io::Result<File> {
    let file = File::open(path)?;
    match file.lock() {
        Err(e) if e.kind() != io::ErrorKind::Unsupported => Err(e),
        _ => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn put(store: &Durable, path: &Path, text: &str, mode: PutMode) -> Result<PutResult> {
        store.put_opts(path, text.to_owned().into(), PutOptions::from(mode)).await
    }

    async fn text(store: &Durable, path: &Path) -> String {
        String::from_utf8(store.get(path).await.unwrap().bytes().await.unwrap().to_vec()).unwrap()
    }

    fn store() -> (tempfile::TempDir, Durable, Path) {
        let folder = tempfile::tempdir().unwrap();
        let path = Path::from_absolute_path(folder.path().join("a/b/c.json")).unwrap();
        (folder, Durable::new(), path)
    }

    #[tokio::test]
    async fn a_file_is_created_once_and_replaced_only_as_it_was_read() {
        let (folder, store, path) = store();
        put(&store, &path, "one", PutMode::Create).await.unwrap();
        let again = put(&store, &path, "two", PutMode::Create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        let version = |meta: ObjectMeta| PutMode::Update(UpdateVersion { e_tag: meta.e_tag, version: meta.version });
        let old = version(store.head(&path).await.unwrap());
        put(&store, &path, "three", old.clone()).await.unwrap();
        let late = put(&store, &path, "four", old).await;
        assert!(matches!(late, Err(Error::Precondition { .. })), "{late:?}");
        assert_eq!(text(&store, &path).await, "three");
        // Nothing is left of those that did not come to anything.
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_who_replace_a_file_at_once_each_sees_the_one_before() {
        let (_folder, store, path) = store();
        put(&store, &path, "0", PutMode::Create).await.unwrap();
        let store = &store;
        let adders = (0..8).map(|_| async {
            let mut done = 0;
            while done < 10 {
                let got = store.get(&path).await.unwrap();
                let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: None };
                let count: u32 = String::from_utf8(got.bytes().await.unwrap().to_vec()).unwrap().parse().unwrap();
                let put = put(store, &path, &(count + 1).to_string(), PutMode::Update(version)).await;
                done += u32::from(put.is_ok());
            }
        });
        futures::future::join_all(adders).await;
        assert_eq!(text(store, &path).await, "80");
    }
}
