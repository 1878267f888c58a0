//! The files that a path, glob, folder or URL stands for.

use std::sync::Arc;

use datafusion::{common::Result, datasource::listing::ListingTableUrl};
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};

use super::{Session, hats, path_tables::table_url};

/// A file in a store.
#[derive(Debug, Clone)]
pub struct FoundFile {
    /// Its store.
    pub store: Arc<dyn ObjectStore>,
    /// Place, size, time of last change.
    pub object: ObjectMeta,
    /// Absolute path or URL, as queries take it.
    pub url: String,
    /// Path below the folder that was searched; the name alone for a file that was named.
    pub relative: String,
}

/// Where a file or folder is to be written.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its store.
    pub store: Arc<dyn ObjectStore>,
    /// Path in the store.
    pub path: object_store::path::Path,
}

impl Session {
    /// The files that `name` stands for, in order; of a HATS catalogue its leaves.
    ///
    /// # Errors
    /// If the store cannot be opened or listed.
    pub async fn files(&self, name: &str) -> Result<Vec<FoundFile>> {
        let url = table_url(name)?;
        let store = self.context().runtime_env().object_store(&url)?;
        let url = hats::dataset(&store, &url).await?.unwrap_or(url);
        let state = self.context().state();
        let mut objects: Vec<ObjectMeta> = url.list_all_files(&state, store.as_ref(), "").await?.try_collect().await?;
        objects.sort_by(|a, b| a.location.cmp(&b.location));
        let root = url.object_store();
        // ListingTableUrl writes local stores as file:///.
        let root = root.as_str().strip_prefix("file://").unwrap_or(root.as_str());
        let found = objects.into_iter().map(|object| {
            let below = object.location.prefix_match(url.prefix());
            let relative = below.map(|parts| parts.map(|p| p.as_ref().to_owned()).collect::<Vec<_>>().join("/"));
            let relative = relative.filter(|r| !r.is_empty());
            let relative = relative.or_else(|| object.location.filename().map(str::to_owned)).unwrap_or_default();
            FoundFile { store: store.clone(), url: format!("{root}{}", object.location), relative, object }
        });
        Ok(found.collect())
    }

    /// Where a path or URL is; nothing needs to be there.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn place(&self, name: &str) -> Result<Place> {
        let url = ListingTableUrl::parse(name)?;
        let store = self.context().runtime_env().object_store(&url)?;
        Ok(Place { store, path: url.prefix().clone() })
    }
}
