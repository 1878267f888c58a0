//! The object store of local files; a file appears once it is complete and on the disk.
//!
//! `object_store` itself leaves it to the system when its writes reach the disk: after a power failure a file that
//! others depend on may be empty. As in object stores, a file can also be replaced on condition that it has not changed
//! since it was read.

use std::{
    fmt,
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UpdateVersion, UploadPart,
    local::LocalFileSystem, path::Path,
};

use super::{NewFile, blocking::on_disk, listing, new_file::sync_folder};

/// The name of this store in errors.
const STORE: &str = "local files";

/// The object store of local files.
#[derive(Debug, Clone, Default)]
pub struct LocalStore {
    files: LocalFileSystem,
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.files, f)
    }
}

fn failed(path: &FilePath, e: io::Error) -> Error {
    let (path, kind) = (path.display().to_string(), e.kind());
    let source = Box::new(e);
    match kind {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source },
        io::ErrorKind::NotFound => Error::NotFound { path, source },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source },
        _ => Error::Generic { store: STORE, source },
    }
}

/// Begins a file and creates its folder if needed.
fn create(path: &FilePath) -> io::Result<NewFile> {
    loop {
        match NewFile::create(path) {
            // Another process may also remove a folder at any time.
            Err(e) if e.kind() == io::ErrorKind::NotFound => make_folder(path.parent().unwrap_or(path))?,
            created => return created,
        }
    }
}

/// Creates a folder and its parents, and syncs their names to the disk.
fn make_folder(folder: &FilePath) -> io::Result<()> {
    let missing: Vec<&FilePath> = folder.ancestors().take_while(|above| !above.exists()).collect();
    std::fs::create_dir_all(folder)?;
    missing.into_iter().rev().try_for_each(sync_folder)
}

/// Writes the content of a file that does not have its final name yet.
fn written(path: &FilePath, payload: &PutPayload) -> io::Result<NewFile> {
    let mut file = create(path)?;
    payload.iter().try_for_each(|bytes| file.write_all(bytes))?;
    Ok(file)
}

/// Waits until nobody else has locked a file, and locks it. If the file system has no locks, nobody waits.
fn lock(path: &FilePath) -> io::Result<File> {
    let file = File::open(path)?;
    match file.lock() {
        Err(e) if e.kind() != io::ErrorKind::Unsupported => Err(e),
        _ => Ok(file),
    }
}

impl LocalStore {
    /// Runs an operation on a path on a thread that may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        path: &FilePath,
        work: impl FnOnce(&FilePath) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = path.to_owned();
        on_disk(move || work(&path).map_err(|e| failed(&path, e))).await
    }

    /// Replaces a file unless it has changed since this version. Concurrent replacements wait for each other.
    async fn update(&self, location: &Path, path: &FilePath, file: NewFile, version: &UpdateVersion) -> Result<()> {
        let held = self.on_disk(path, lock).await?;
        if self.files.head(location).await?.e_tag != version.e_tag {
            return Err(Error::Precondition { path: location.to_string(), source: "the file has changed".into() });
        }
        let replaced = self.on_disk(path, |_| file.finish()).await;
        drop(held);
        replaced
    }

    /// Returns the path of a folder of the store.
    fn folder(&self, prefix: Option<&Path>) -> Result<PathBuf> {
        match prefix.filter(|prefix| !prefix.as_ref().is_empty()) {
            // The path is derived from that of a file in the folder, because a folder may have a name that no file may
            // have.
            Some(prefix) => {
                let file = self.files.path_to_filesystem(&prefix.clone().join("file"))?;
                Ok(file.parent().unwrap_or(&file).to_owned())
            }
            None => Ok(PathBuf::from("/")),
        }
    }

    /// Refuses an existing path that cannot be read, before it is opened: opening a pipe would block.
    fn check(&self, location: &Path) -> Result<()> {
        listing::unreadable(&self.files.path_to_filesystem(location)?).map_or(Ok(()), Err)
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        // The inner store itself reports that it does not support attributes.
        if !options.attributes.is_empty() {
            return self.files.put_opts(location, payload, options).await;
        }
        let path = self.files.path_to_filesystem(location)?;
        let file = self.on_disk(&path, move |path| written(path, &payload)).await?;
        match &options.mode {
            PutMode::Overwrite => self.on_disk(&path, |_| file.finish()).await?,
            PutMode::Create => self.on_disk(&path, |_| file.finish_new()).await?,
            PutMode::Update(version) => self.update(location, &path, file, version).await?,
        }
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return self.files.put_multipart_opts(location, options).await;
        }
        let path = self.files.path_to_filesystem(location)?;
        let file = self.on_disk(&path, create).await?;
        Ok(Box::new(LocalUpload { file: Arc::new(Mutex::new(Some(file))), path, bytes: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.folder(prefix) {
            Ok(folder) => listing::files(folder),
            Err(e) => futures::stream::once(std::future::ready(Err(e))).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let offset = offset.clone();
        self.list(prefix).try_filter(move |object| std::future::ready(object.location > offset)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        listing::entries(self.folder(prefix)?).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await
    }
}

/// A multipart upload to a local file. If dropped before its end, it leaves nothing behind.
#[derive(Debug)]
struct LocalUpload {
    /// `None` once the upload has ended.
    file: Arc<Mutex<Option<NewFile>>>,
    path: PathBuf,
    /// Bytes in all parts so far.
    bytes: u64,
}

fn has_ended() -> io::Error {
    io::Error::other("the upload has ended")
}

fn write_at(file: &Mutex<Option<NewFile>>, at: u64, data: &PutPayload) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    let file = file.as_mut().ok_or_else(has_ended)?;
    file.seek(SeekFrom::Start(at))?;
    data.iter().try_for_each(|bytes| file.write_all(bytes))
}

impl LocalUpload {
    /// Ends the upload with `end`.
    async fn end(&self, end: impl FnOnce(NewFile) -> io::Result<()> + Send + 'static) -> Result<()> {
        let (file, path) = (self.file.clone(), self.path.clone());
        on_disk(move || {
            // Running writes hold the lock.
            let taken = file.lock().unwrap_or_else(PoisonError::into_inner).take();
            taken.ok_or_else(has_ended).and_then(end).map_err(|e| failed(&path, e))
        })
        .await
    }
}

#[async_trait]
impl MultipartUpload for LocalUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (file, path, at) = (self.file.clone(), self.path.clone(), self.bytes);
        self.bytes += data.content_length() as u64;
        on_disk(move || write_at(&file, at, &data).map_err(|e| failed(&path, e))).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.end(NewFile::finish).await?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> Result<()> {
        self.end(|file| {
            drop(file);
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn pipe(path: &FilePath) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[tokio::test]
    async fn whatever_is_in_a_folder_is_listed_and_an_error_only_where_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("sub")).unwrap();
        for name in ["a.csv", "sub/b.csv", "new\nline.csv", "Icon\r", ".a.csv.unfinished-1aB2c3D4", "c#1", "d e%41.csv"]
        {
            fs::write(root.join(name), "x\n1\n").unwrap();
        }
        symlink("/nowhere/at/all", root.join("gone.csv")).unwrap();
        symlink(".", root.join("loop")).unwrap();
        pipe(&root.join("pipe.csv"));
        let store = LocalStore::default();
        let prefix = Path::from_absolute_path(root).unwrap();
        let listed: Vec<ObjectMeta> = store.list(Some(&prefix)).try_collect().await.unwrap();
        let mut names: Vec<&str> = listed.iter().filter_map(|object| object.location.filename()).collect();
        names.sort_unstable();
        assert_eq!(names.len(), 7, "{names:?}");
        assert!(
            ["a.csv", "b.csv", "d e%41.csv", "gone.csv", "pipe.csv"].iter().all(|name| names.contains(name)),
            "{names:?}"
        );
        let here = store.list_with_delimiter(Some(&prefix)).await.unwrap();
        assert_eq!((here.objects.len(), here.common_prefixes), (6, vec![prefix.clone().join("sub")]));
        for object in listed {
            let name = object.location.filename().unwrap().to_owned();
            let got = store.get(&object.location).await.map(|_| ()).map_err(|e| e.to_string());
            let ranges = store.get_ranges(&object.location, &[0..1, 0..1]).await.map(|_| ()).map_err(|e| e.to_string());
            let why = match name.as_str() {
                "a.csv" | "b.csv" | "d e%41.csv" => {
                    assert_eq!((got, ranges), (Ok(()), Ok(())), "{name}");
                    continue;
                }
                "gone.csv" => "link to /nowhere/at/all",
                "pipe.csv" => "is a pipe",
                _ => "must be renamed",
            };
            assert!(got.is_err_and(|e| e.contains(why)) && ranges.is_err_and(|e| e.contains(why)), "{name}");
        }
        assert_eq!(store.list(Some(&prefix.clone().join("not there"))).count().await, 0);
        fs::create_dir(root.join("run#1")).unwrap();
        fs::write(root.join("run#1/a.csv"), "x\n").unwrap();
        let run = Path::from_absolute_path(root.join("run#1")).unwrap();
        let of_run = store.list(Some(&run)).try_collect::<Vec<_>>().await.unwrap();
        assert_eq!(of_run.len(), 1);
    }

    #[tokio::test]
    async fn an_upload_appears_at_its_end_and_one_that_is_dropped_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalStore::default();
        let path = Path::from_absolute_path(folder.path()).unwrap().join("new folder").join("a.bin");
        for (ends, there) in [(false, 0), (true, 1)] {
            let mut upload = store.put_multipart(&path).await.unwrap();
            let (one, two) = (upload.put_part(vec![1; 10].into()), upload.put_part(vec![2; 5].into()));
            two.await.unwrap();
            one.await.unwrap();
            assert_eq!(fs::read_dir(folder.path().join("new folder")).unwrap().count(), 1);
            if ends {
                upload.complete().await.unwrap();
            }
            drop(upload);
            assert_eq!(fs::read_dir(folder.path().join("new folder")).unwrap().count(), there);
        }
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), [vec![1; 10], vec![2; 5]].concat());
        let create = PutOptions::from(PutMode::Create);
        let again = store.put_opts(&path, "x".into(), create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    }

    async fn put(store: &LocalStore, path: &Path, text: &str, mode: PutMode) -> Result<PutResult> {
        store.put_opts(path, text.to_owned().into(), PutOptions::from(mode)).await
    }

    async fn text(store: &LocalStore, path: &Path) -> String {
        String::from_utf8(store.get(path).await.unwrap().bytes().await.unwrap().to_vec()).unwrap()
    }

    fn store() -> (tempfile::TempDir, LocalStore, Path) {
        let folder = tempfile::tempdir().unwrap();
        let path = Path::from_absolute_path(folder.path().join("a/b/c.json")).unwrap();
        (folder, LocalStore::default(), path)
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
        // The uploads that were not completed left nothing behind.
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
