//! Quoted paths as tables: `FROM 'stars/*.parquet'`, `FROM 's3://bucket/xp/*.parquet'`, `FROM 'spectra.fits#2'`. The
//! rules for the files that a name refers to are in [`super::lookup`].

use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use datafusion::{
    catalog::{DynamicFileCatalog, TableProvider, UrlTableFactory},
    common::Result,
    datasource::file_format::FileFormat,
    datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl},
    error::DataFusionError,
    execution::{SessionState, SessionStateBuilder},
    prelude::SessionContext,
};
use futures::StreamExt;
use lamcat_core::error::{Error, ErrorKind, without_secrets};
use lamcat_formats::{ArchiveFileFormat, display_path, is_parquet};
use object_store::{ObjectMeta, ObjectStore};

use super::{
    file_format::{described, format_of},
    found::Files,
    hats, identifiers,
    lookup::{Name, look_up, released},
    many_files::ManyFiles,
    names::{GLOB_CHARACTERS, STDIN, may_be_folder, url_of},
    stores::{LazyStores, is_file_server},
};

/// A context like `context`, in which a table name that is a path or URL refers to the files there.
pub(super) fn enable(context: &SessionContext, stores: Arc<LazyStores>) -> SessionContext {
    let factory = Arc::new(PathTables { stores, state: OnceLock::new() });
    let state = context.state();
    let catalogs = DynamicFileCatalog::new(state.catalog_list().clone(), factory.clone());
    let context: SessionContext = SessionStateBuilder::from(state).with_catalog_list(Arc::new(catalogs)).build().into();
    // This is a weak reference, since the state holds the catalogs, which hold the factory.
    let weak = context.state_weak_ref();
    let current: CurrentState = Box::new(move || weak.upgrade().map(|state| state.read().clone()));
    // The factory is new, so the cell has not been set before.
    let _ = factory.state.set(current);
    context
}

/// A path or URL in the form in which queries name it as a table.
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
        if let Some(table) = many(&state, &self.stores, name).await.map_err(|e| unreadable(name, &e))? {
            identifiers::remark_on(&without_secrets(name), &table.schema());
            return Ok(Some(Arc::new(table)));
        }
        let config = config(&state, &self.stores, name).await.map_err(|e| unreadable(name, &e))?;
        if let Some(schema) = &config.file_schema {
            identifiers::remark_on(&without_secrets(name), schema);
        }
        Ok(Some(Arc::new(ListingTable::try_new(config)?)))
    }
}

/// The table for very many files; `None` if there are few.
async fn many(state: &SessionState, stores: &LazyStores, name: &str) -> Result<Option<ManyFiles>> {
    if name == STDIN {
        return Ok(None);
    }
    let Name { url, pattern: None, .. } = Name::new(stores, name)? else { return Ok(None) };
    if !may_be_folder(&url) || is_file_server(url.get_url()) {
        return Ok(None);
    }
    let store = state.runtime_env().object_store(&url)?;
    let url = released(&store, url).await?;
    let leaves = hats::leaves(&store, &url).await?;
    ManyFiles::open(state, &store, &url, leaves.as_ref()).await
}

/// The files of a table, their format and their columns.
async fn config(state: &SessionState, stores: &LazyStores, name: &str) -> Result<ListingTableConfig> {
    let lookup = look_up(state, stores, name).await?;
    let config = match lookup.files {
        // The folders of a HATS catalogue only say where its leaves are; they contain no column values.
        Files::Leaves(leaves) => {
            let factory = state.get_file_format_factory("parquet").ok_or_else(|| none_found(name))?;
            let options = ListingOptions::new(factory.create(state, &HashMap::new())?);
            let options = options.with_file_extension(leaves.ending);
            let config = ListingTableConfig::new_with_multi_paths(leaves.orders).with_listing_options(options);
            config.infer_schema(state).await?
        }
        Files::Listed { objects, whole } => {
            if objects.is_empty() {
                return Err(none_found(name));
            }
            let format = format_of(state, &lookup.store, &objects, lookup.choice.clone()).await?;
            listed(state, &lookup.store, &lookup.url, &objects, whole, format).await?
        }
    };
    with_units(state, config).await
}

fn none_found(name: &str) -> DataFusionError {
    let name = without_secrets(name);
    let hint = if name.contains(GLOB_CHARACTERS) || name.ends_with('/') {
        "check the path; '*' does not cross folders, '**' does; names of tables end in .parquet, .csv, .fits, .vot, …"
    } else {
        "check the path"
    };
    Error::new(ErrorKind::Input, format!("no file matches '{name}'")).hint(hint).into()
}

/// A table of these files.
async fn listed(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    url: &ListingTableUrl,
    objects: &[ObjectMeta],
    whole: bool,
    format: Arc<dyn FileFormat>,
) -> Result<ListingTableConfig> {
    if let Some(empty) = objects.iter().find(|f| f.size == 0) {
        return Err(Error::new(ErrorKind::Input, "the file is empty")
            .at("file", display_path(store, empty))
            .hint("it was not fetched whole: fetch it again")
            .into());
    }
    let schema = format.infer_schema(state, store, objects).await?;
    let options = ListingOptions::new(format).with_file_extension("");
    // A folder of Parquet files also provides the columns whose values are in the names of its folders, such as
    // `region=1`.
    let is_archive = options.format.is::<ArchiveFileFormat>();
    if whole || (objects.len() == 1 && !url.is_collection()) {
        let config = ListingTableConfig::new(url.clone()).with_listing_options(options);
        let config = if is_archive { config } else { config.infer_partitions_from_path(state).await? };
        return Ok(config.with_schema(schema));
    }
    let urls = objects.iter().map(|o| url_of(url, &o.location, false)).collect::<Result<_>>()?;
    Ok(ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema))
}

/// The table with the units, UCDs and descriptions of its first file's columns. DataFusion drops these for Parquet, as
/// files might disagree on them.
async fn with_units(state: &SessionState, config: ListingTableConfig) -> Result<ListingTableConfig> {
    let (Some(schema), Some(url)) = (config.file_schema.clone(), config.table_paths.first()) else { return Ok(config) };
    if !config.options.as_ref().is_some_and(|o| is_parquet(o.format.as_ref())) {
        return Ok(config);
    }
    let store = state.runtime_env().object_store(url)?;
    let Some(first) = url.list_all_files(state, store.as_ref(), "").await?.next().await.transpose()? else {
        return Ok(config);
    };
    let schema = described(state, &store, &first, &schema).await?;
    Ok(config.with_schema(schema))
}

fn unreadable(name: &str, e: &DataFusionError) -> DataFusionError {
    let name = without_secrets(name);
    if let DataFusionError::External(own) = e.find_root()
        && let Some(own) = own.downcast_ref::<Error>()
    {
        return Error::new(ErrorKind::Plan, own.to_string()).retryable(own.is_retryable()).into();
    }
    let cause = without_secrets(&e.strip_backtrace());
    let error = Error::new(ErrorKind::Plan, format!("cannot read '{name}' as a table"))
        .source(cause)
        .retryable(Error::from_datafusion("", e).is_retryable())
        .hint("check the path, and that it is Parquet, HATS, ECSV, CSV, FITS, VOTable, JSON lines or Arrow");
    error.into()
}

/// Whether a name that is not a table was meant as a path: it contains a separator, a wildcard or a file suffix.
fn is_path(name: &str) -> bool {
    name == STDIN || name.contains('/') || name.contains(GLOB_CHARACTERS) || Path::new(name).extension().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_are_not_paths() {
        assert!(!is_path("stars"));
        assert!(is_path("stars.parquet") && is_path("dir/") && is_path("s3://b/x") && is_path("*") && is_path("-"));
    }
}
