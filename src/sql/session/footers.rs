//! A cache for the footers of Parquet files.
//!
//! DataFusion's cache finds a footer by the file's path, and uses it if the file's size and time agree too. Files of
//! two different stores may agree in all three, so nothing is cached as soon as there are two stores.

use std::{sync::Arc, time::Duration};

use datafusion::{
    common::{HashMap, Result, TableReference},
    execution::cache::{
        Cache, CacheEntryInfo,
        cache_manager::{CacheManagerConfig, CachedFileMetadataEntry},
        default_cache::DefaultCache,
    },
};
use object_store::path::Path;

use super::stores::LazyStores;

/// The caches of a session; the footers take at most `bytes`.
pub(super) fn remembered(bytes: usize, stores: &Arc<LazyStores>) -> CacheManagerConfig {
    let footers = Footers { known: DefaultCache::new(bytes), stores: stores.clone() };
    CacheManagerConfig::default().with_file_metadata_cache(Some(Arc::new(footers))).with_metadata_cache_limit(bytes)
}

struct Footers {
    known: DefaultCache<Path, CachedFileMetadataEntry>,
    stores: Arc<LazyStores>,
}

impl Footers {
    /// Whether a path identifies a single file.
    fn unambiguous(&self) -> bool {
        self.stores.remote() <= 1
    }
}

impl Cache<Path, CachedFileMetadataEntry> for Footers {
    fn get(&self, key: &Path) -> Option<CachedFileMetadataEntry> {
        self.known.get(key).filter(|_| self.unambiguous())
    }

    fn put(&self, key: &Path, value: CachedFileMetadataEntry) -> Option<CachedFileMetadataEntry> {
        self.unambiguous().then(|| self.known.put(key, value)).flatten()
    }

    fn remove(&self, key: &Path) -> Option<CachedFileMetadataEntry> {
        self.known.remove(key)
    }

    fn contains_key(&self, key: &Path) -> bool {
        self.unambiguous() && self.known.contains_key(key)
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn clear(&self) {
        self.known.clear();
    }

    fn name(&self) -> String {
        "footers".to_owned()
    }

    fn cache_limit(&self) -> usize {
        self.known.cache_limit()
    }

    fn update_cache_limit(&self, limit: usize) {
        self.known.update_cache_limit(limit);
    }

    fn cache_ttl(&self) -> Option<Duration> {
        self.known.cache_ttl()
    }

    fn update_cache_ttl(&self, ttl: Option<Duration>) {
        self.known.update_cache_ttl(ttl);
    }

    fn drop_table_entries(&self, table: &TableReference) -> Result<()> {
        self.known.drop_table_entries(table)
    }

    fn list_entries(&self) -> HashMap<Path, CacheEntryInfo<CachedFileMetadataEntry>> {
        self.known.list_entries()
    }
}
