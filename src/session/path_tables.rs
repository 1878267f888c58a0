//! Quoted paths as tables: `FROM 'stars/*.parquet'`, `FROM 's3://bucket/xp/*.parquet'`.

use std::{
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

use arrow::datatypes::Schema;
use async_trait::async_trait;
use datafusion::{
    catalog::{DynamicFileCatalog, TableProvider, UrlTableFactory},
    common::{Result, TableReference},
    datasource::file_format::{FileFormat, parquet::ParquetFormat},
    datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableConfigExt, ListingTableUrl},
    error::DataFusionError,
    execution::{SessionState, SessionStateBuilder},
    prelude::SessionContext,
};
use futures::{StreamExt, TryStreamExt};
use glob::Pattern;
use object_store::{ObjectMeta, ObjectStore};

use super::{archive_formats, hats, stores::LazyStores};
use crate::{
    error::{Error, ErrorKind, without_secrets},
    sources::{ArchiveFileFormat, ArchiveFormat, display_path, is_archive_csv},
};

const GLOB_CHARACTERS: [char; 3] = ['*', '?', '['];

/// A context like `context` in which a table name that is a path or URL is the files there.
pub(super) fn enable(context: &SessionContext, stores: Arc<LazyStores>) -> SessionContext {
    let factory = Arc::new(PathTables { stores, state: OnceLock::new() });
    let state = context.state();
    let catalogs = DynamicFileCatalog::new(state.catalog_list().clone(), factory.clone());
    let context: SessionContext = SessionStateBuilder::from(state).with_catalog_list(Arc::new(catalogs)).build().into();
    // Weak, since the state holds the catalogs and they hold the factory.
    let weak = context.state_weak_ref();
    let current: CurrentState = Box::new(move || weak.upgrade().map(|state| state.read().clone()));
    // The factory is new: nobody has set it before.
    let _ = factory.state.set(current);
    context
}

/// A path or URL as a query has it for a table.
#[must_use]
pub fn quoted_path(path: &str) -> String {
    format!("'{}'", path.replace('\'', "''"))
}

type CurrentState = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

struct PathTables {
    stores: Arc<LazyStores>,
    state: OnceLock<CurrentState>,
}

impl fmt::Debug for PathTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathTables")
    }
}

#[async_trait]
impl UrlTableFactory for PathTables {
    async fn try_new(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(state) = self.state.get().and_then(|current| current()).filter(|_| is_path(name)) else {
            return Ok(None);
        };
        let config = async {
            with_units(&state, listing(&state, table_url(&self.stores, name)?).await?.infer_schema(&state).await?).await
        };
        let config = config.await.map_err(|e| unreadable(name, &e))?;
        Ok(Some(Arc::new(ListingTable::try_new(config)?)))
    }
}

/// Which files a table has, and in which format.
async fn listing(state: &SessionState, url: ListingTableUrl) -> Result<ListingTableConfig> {
    let store = state.runtime_env().object_store(&url)?;
    // The folders of a HATS catalogue say where its leaves are, nothing of the rows.
    if let Some(leaves) = hats::leaves(&store, &url).await? {
        return ListingTableConfig::new_with_multi_paths(leaves.orders).infer_options(state).await;
    }
    if let Some(options) = archive_options(state, &store, &url).await? {
        return Ok(ListingTableConfig::new(url).with_listing_options(options));
    }
    let config = ListingTableConfig::new(url).infer_options(state).await?;
    config.infer_partitions_from_path(state).await
}

/// Whether a file holds rows, by its name.
fn is_data(path: &object_store::path::Path) -> bool {
    const OTHERS: [&str; 4] = [".parquet", ".json", ".arrow", ".avro"];
    let name = path.filename().unwrap_or_default();
    let hidden = name.starts_with(['_', '.']);
    !hidden && (ArchiveFormat::of_name(name).is_some() || OTHERS.iter().any(|ending| name.ends_with(ending)))
}

/// How to read the archive's formats, if the first file is in one of them.
async fn archive_options(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    url: &ListingTableUrl,
) -> Result<Option<ListingOptions>> {
    let mut files: Vec<ObjectMeta> = url.list_all_files(state, store.as_ref(), "").await?.try_collect().await?;
    files.retain(|f| is_data(&f.location));
    files.sort_by(|a, b| a.location.cmp(&b.location));
    let Some(first) = files.first() else { return Ok(None) };
    let Some((format, ending)) = ArchiveFormat::of_name(first.location.as_ref()) else { return Ok(None) };
    if let Some(other) = files.iter().find(|f| !f.location.as_ref().ends_with(&ending)) {
        let message = format!("the files are not of one format: {} and {}", first.location, other.location);
        return Err(Error::new(ErrorKind::Plan, message)
            .hint("name one of them with a glob, e.g. 'folder/*.csv.gz'")
            .into());
    }
    if let Some(empty) = files.iter().find(|f| f.size == 0) {
        let hint = "it was not fetched whole: fetch it again";
        return Err(Error::new(ErrorKind::Input, "the file is empty")
            .at("file", display_path(store, empty))
            .hint(hint)
            .into());
    }
    if ending.to_lowercase().starts_with(".csv") && !is_archive_csv(store, first).await? {
        return Ok(None);
    }
    let format = ArchiveFileFormat::new(format, archive_formats::on_error(state)?);
    let options = ListingOptions::new(Arc::new(format)).with_file_extension(ending);
    Ok(Some(options))
}

/// The table with the units, UCDs and descriptions of its first file's columns, which DataFusion drops of Parquet, as
/// files might disagree on them.
async fn with_units(state: &SessionState, config: ListingTableConfig) -> Result<ListingTableConfig> {
    let (Some(schema), Some(url)) = (config.file_schema.clone(), config.table_paths.first()) else { return Ok(config) };
    if !config.options.as_ref().is_some_and(|o| o.format.is::<ParquetFormat>()) {
        return Ok(config);
    }
    let store = state.runtime_env().object_store(url)?;
    let Some(first) = url.list_all_files(state, store.as_ref(), "").await?.next().await.transpose()? else {
        return Ok(config);
    };
    let described = ParquetFormat::default().with_skip_metadata(false).infer_schema(state, &store, &[first]).await?;
    let fields = schema.fields().iter().map(|field| match described.field_with_name(field.name()) {
        Ok(known) => field.as_ref().clone().with_metadata(known.metadata().clone()),
        Err(_) => field.as_ref().clone(),
    });
    let schema = Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone());
    Ok(config.with_schema(Arc::new(schema)))
}

fn unreadable(name: &str, e: &DataFusionError) -> DataFusionError {
    let name = without_secrets(name);
    if let DataFusionError::External(own) = e.find_root()
        && let Some(own) = own.downcast_ref::<Error>()
    {
        return Error::new(ErrorKind::Plan, own.to_string()).retryable(own.is_retryable()).into();
    }
    let cause = without_secrets(&e.strip_backtrace());
    let error = if cause.contains("No files for table") {
        Error::new(ErrorKind::Plan, format!("no file matches '{name}'")).hint("check the path")
    } else {
        Error::new(ErrorKind::Plan, format!("cannot read '{name}' as a table"))
            .source(cause)
            .retryable(Error::from_datafusion("", e).is_retryable())
            .hint("check the path, and that it is Parquet, HATS, ECSV, CSV, FITS, VOTable, JSON lines or Arrow")
    };
    error.into()
}

/// Whether a name that is no table was meant as a path: it has a separator, a glob or a file's extension.
fn is_path(name: &str) -> bool {
    name.contains('/') || name.contains(GLOB_CHARACTERS) || Path::new(name).extension().is_some()
}

/// The files a path or URL stands for, by a URL without secrets. DataFusion reads globs in paths alone; here URLs of stores
/// may have them too. In http a question mark begins the query, so there only `*` and `[` are globs.
pub(super) fn table_url(stores: &LazyStores, name: &str) -> Result<ListingTableUrl> {
    let Some((url, glob)) = stores.public_url(name)? else { return ListingTableUrl::parse(name) };
    let bad = |pattern: &str, e: glob::PatternError| {
        Error::new(ErrorKind::Plan, format!("'{pattern}' is not a glob")).source(e.to_string())
    };
    let glob = glob.map(|pattern| Pattern::new(&pattern).map_err(|e| bad(&pattern, e))).transpose()?;
    Ok(of_store(ListingTableUrl::try_new(url, glob)?))
}

/// The URL with its store's name: what DataFusion remembers of listings and statistics it finds by that and the path, and
/// two stores may have files of one path.
pub(super) fn of_store(url: ListingTableUrl) -> ListingTableUrl {
    match url.scheme() {
        "file" => url,
        _ => {
            let store = TableReference::bare(url.object_store().as_str());
            url.with_table_ref(store)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_work_in_urls_and_paths() {
        let stores = LazyStores::default();
        let table_url = |name: &str| table_url(&stores, name);
        let url = table_url("s3://bucket/xp/part-*.parquet").unwrap();
        assert_eq!(url.prefix().as_ref(), "xp");
        assert!(url.contains(&"xp/part-7.parquet".into(), true));
        assert!(!url.contains(&"xp/other.parquet".into(), true));
        assert!(table_url("s3://bucket/*.parquet").unwrap().contains(&"a.parquet".into(), true));
        assert_eq!(table_url("s3://bucket/xp/a.parquet").unwrap().prefix().as_ref(), "xp/a.parquet");
        assert!(table_url("some/*.parquet").is_ok());
        assert!(table_url("s3://bucket/[a.parquet").is_err());
    }

    #[test]
    fn names_of_tables_are_not_paths() {
        assert!(!is_path("stars"));
        assert!(is_path("stars.parquet") && is_path("dir/") && is_path("s3://b/x") && is_path("*"));
    }
}
