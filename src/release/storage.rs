//! The place that holds releases: a folder or a bucket, whose files have names relative to its root.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result, shown_url};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion, path::Path};
use rand::RngCore;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

/// A store and the folder in it that holds everything.
#[derive(Debug, Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    root: Path,
    url: Url,
}

/// A file in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Path below the root.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Time of the last change.
    pub modified: DateTime<Utc>,
}

/// A file as it was when it was read.
#[derive(Debug, Clone)]
pub(super) struct Read {
    /// The bytes of the file.
    pub(super) bytes: Bytes,
    /// The version of the file, by which a later replacement is noticed.
    pub(super) version: UpdateVersion,
}

impl Storage {
    /// The folder `root` of `store`, whose own root has the address `url`, such as `file:///` or `s3://bucket/`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, root: Path, url: Url) -> Self {
        Self { store, root, url }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The address of the store's own root.
    #[must_use]
    pub fn address(&self) -> &Url {
        &self.url
    }

    /// A file's path in the store.
    #[must_use]
    pub fn path(&self, name: &str) -> Path {
        self.root.parts().chain(Path::from(name).parts()).collect()
    }

    /// A file's address.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(self.path(name).as_ref());
        url.to_string()
    }

    /// A file's path or address, in the form that people and other programs use.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        match self.url.scheme() {
            "file" => format!("/{}", self.path(name)),
            _ => format!("{}{}", shown_url(&self.url), self.path(name)),
        }
    }

    /// The bytes of a file; `None` if there is no such file.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(self.read(name).await?.map(|read| read.bytes))
    }

    /// A file with its version; `None` if there is no such file.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Read>> {
        let failed = |e| self.failed("cannot read the file", name, e);
        let object = match self.store.get(&self.path(name)).await {
            Ok(object) => object,
            Err(StoreError::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let version = UpdateVersion { e_tag: object.meta.e_tag.clone(), version: object.meta.version.clone() };
        let promised = object.meta.size;
        let bytes = object.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != promised {
            let error = Error::new(ErrorKind::Io, "the file was cut short on its way").at("file", self.shown(name));
            return Err(error.source(format!("{} of {promised} bytes", bytes.len())).retryable(true));
        }
        Ok(Some(Read { bytes, version }))
    }

    /// The bytes of a file that must be there.
    ///
    /// # Errors
    /// If it is not, or the store fails.
    pub async fn require(&self, name: &str) -> Result<Bytes> {
        let missing = || Error::new(ErrorKind::Io, "the file is not there").at("file", self.shown(name));
        self.get(name).await?.ok_or_else(missing)
    }

    /// Whether a file is unchanged since it was read, judging by the metadata that the store reports.
    pub(super) async fn is_still(&self, name: &str, read: &Read) -> Result<bool> {
        let there =
            self.store.head(&self.path(name)).await.map_err(|e| self.failed("cannot look for the file", name, e))?;
        Ok(there.size == read.bytes.len() as u64 && there.e_tag == read.version.e_tag)
    }

    /// A parsed JSON file; `None` if there is no such file.
    ///
    /// # Errors
    /// If the store fails or the file does not have the expected content.
    pub async fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(bytes) = self.get(name).await? else { return Ok(None) };
        let bad = |e| Error::new(ErrorKind::Input, "the file is damaged").at("file", self.shown(name)).source(e);
        serde_json::from_slice(&bytes).map(Some).map_err(bad)
    }

    /// Writes or replaces a file; readers see either the old or the new file, never a part.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn put(&self, name: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let put = self.store.put(&self.path(name), bytes.into().into()).await;
        put.map(|_| ()).map_err(|e| self.failed("cannot write the file", name, e))
    }

    /// Writes a file on a condition; returns whether the condition held. If the store fails, the file may have been
    /// written all the same. If the condition did not hold, an earlier attempt at this very write may be the reason:
    /// see [`commit`].
    pub(super) async fn put_if(&self, name: &str, bytes: Bytes, mode: PutMode) -> Result<bool> {
        match self.store.put_opts(&self.path(name), bytes.into(), PutOptions::from(mode)).await {
            Ok(_) => Ok(true),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } | StoreError::NotFound { .. }) => {
                Ok(false)
            }
            Err(e) => Err(self.failed("cannot write the file", name, e)),
        }
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn exists(&self, name: &str) -> Result<bool> {
        Ok(self.size(name).await?.is_some())
    }

    /// Size of a file in bytes; `None` if there is no such file.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.store.head(&self.path(name)).await {
            Ok(object) => Ok(Some(object.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("cannot look for the file", name, e)),
        }
    }

    /// Deletes a file; it is not an error if there is no such file.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed("cannot delete the file", name, e)),
        }
    }

    /// Deletes files, many at a time if the store supports it; it is not an error if some do not exist.
    ///
    /// # Errors
    /// If the store fails; what was deleted before that stays deleted.
    pub async fn delete_all(&self, names: &[impl AsRef<str>]) -> Result<()> {
        let paths: Vec<_> = names.iter().map(|name| Ok(self.path(name.as_ref()))).collect();
        let mut deleted = self.store.delete_stream(futures::stream::iter(paths).boxed());
        while let Some(deleted) = deleted.next().await {
            match deleted {
                Ok(_) | Err(StoreError::NotFound { .. }) => {}
                Err(e) => return Err(self.failed("cannot delete files", "", e)),
            }
        }
        Ok(())
    }

    /// The files in a folder and its subfolders, sorted by name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self, folder: &str) -> Result<Vec<StoredFile>> {
        let listed = self.store.list(Some(&self.path(folder))).map_ok(|object| {
            let below = object.location.prefix_match(&self.root);
            let parts: Vec<String> = below.map(|b| b.map(|p| p.as_ref().to_owned()).collect()).unwrap_or_default();
            StoredFile { path: parts.join("/"), bytes: object.size, modified: object.last_modified }
        });
        let mut files: Vec<_> =
            listed.try_collect().await.map_err(|e| self.failed("cannot list the folder", folder, e))?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The folders in a folder, as paths relative to the root, sorted by name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(Some(&self.path(folder))).await;
        let listed = listed.map_err(|e| self.failed("cannot list the folder", folder, e))?;
        let names = listed.common_prefixes.iter().filter_map(|prefix| prefix.filename());
        let mut folders: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        folders.sort();
        Ok(folders)
    }

    /// The root as a folder of this machine; `None` if it is elsewhere.
    #[must_use]
    pub fn local_root(&self) -> Option<PathBuf> {
        let mut url = self.url.clone();
        url.set_path(self.root.as_ref());
        url.to_file_path().ok()
    }

    /// The error for an operation on a file that failed.
    pub(super) fn failed(&self, what: &str, name: &str, e: StoreError) -> Error {
        Error::new(ErrorKind::Io, what).at("file", self.shown(name)).source(e)
    }
}

/// A name that no other attempt has.
#[must_use]
pub fn attempt_name() -> String {
    let mut rng = rand::rng();
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}

/// A value as JSON that people can read.
pub fn json(value: &impl Serialize) -> Vec<u8> {
    // Serialising fails only for maps whose keys are not strings, and there are none here.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}
