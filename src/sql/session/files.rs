//! Finds the files that a path, glob, folder or URL refers to, and places to write to.

use std::sync::Arc;

use datafusion::common::Result;
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, without_secrets};
use lamcat_release::Storage;
use object_store::{ObjectMeta, ObjectStore};
use url::Url;

use super::{
    Session,
    found::{Files, Lookup},
    lookup::look_up,
};

/// A file in a store.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// Its store.
    pub store: Arc<dyn ObjectStore>,
    /// Path, size and modification time.
    pub object: ObjectMeta,
    /// Absolute path or URL.
    pub url: String,
    /// The same without passwords and signatures, for use in messages.
    pub shown: String,
    /// Path relative to the folder that was searched; for a file that was named, its name alone.
    pub relative: String,
}

/// A place to which a file or folder can be written.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its store.
    pub store: Arc<dyn ObjectStore>,
    /// Path in the store.
    pub path: object_store::path::Path,
    /// Its address.
    pub url: Url,
}

impl Session {
    /// The files that `name` refers to, in order; for a HATS catalogue, its leaves.
    ///
    /// # Errors
    /// If the store cannot be opened or listed.
    pub async fn files(&self, name: &str) -> Result<Vec<FoundFile>> {
        let state = self.context().state();
        let Lookup { store, url, files, choice } = look_up(&state, &self.stores, name).await?;
        let (folder, mut objects) = match files {
            Files::Listed { objects, .. } => (url.prefix().clone(), objects),
            Files::Leaves(leaves) => {
                let mut objects: Vec<ObjectMeta> = Vec::new();
                for url in &leaves.orders {
                    let listed = url.list_all_files(&state, store.as_ref(), &leaves.ending).await?;
                    objects.extend(listed.try_collect::<Vec<_>>().await?);
                }
                (leaves.folder, objects)
            }
        };
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        let root = url.object_store();
        // ListingTableUrl writes local stores as file:///.
        let root = root.as_str().strip_prefix("file://").unwrap_or(root.as_str());
        let found = objects.into_iter().map(|object| {
            let below = object.location.prefix_match(&folder);
            let relative = below.map(|parts| parts.map(|p| p.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
            let relative = relative.filter(|r| !r.is_empty());
            let relative = relative.or_else(|| object.location.filename().map(str::to_owned)).unwrap_or_default();
            let url = format!("{root}{}{choice}", object.location);
            FoundFile { store: store.clone(), shown: without_secrets(&url), url, relative, object }
        });
        Ok(found.collect())
    }

    /// Finds the place of a path or URL; nothing needs to exist there.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn place(&self, name: &str) -> Result<Place> {
        let bad =
            |e: String| Error::new(ErrorKind::Config, format!("'{}' is no place", without_secrets(name))).source(e);
        let url = match self.stores.public_url(name)? {
            Some((url, None)) => url,
            Some((_, Some(glob))) => return Err(bad(format!("'{glob}' has a wildcard")).into()),
            None => {
                let path = std::path::absolute(name).map_err(|e| bad(e.to_string()))?;
                Url::from_file_path(path).map_err(|()| bad("its path cannot be made absolute".to_owned()))?
            }
        };
        let store = self.context().runtime_env().object_store_registry.get_store(&url)?;
        let path = object_store::path::Path::from_url_path(url.path()).map_err(|e| bad(e.to_string()))?;
        Ok(Place { store, path, url })
    }

    /// Opens the folder or URL `name` as a storage for releases; nothing needs to exist there.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn storage(&self, name: &str) -> Result<Storage, Error> {
        let unusable = |e| Error::new(ErrorKind::Config, "the store cannot be opened").source(e);
        let place = self.place(name).map_err(unusable)?;
        let mut root = place.url;
        root.set_path("/");
        Ok(Storage::new(place.store, place.path, root))
    }
}
