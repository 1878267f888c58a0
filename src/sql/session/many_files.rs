//! Tables of very many Parquet files. For up to [`FEW`] files a table of DataFusion's is used, which reads the footer
//! of every file for its schema and statistics whenever it is planned. For more files that would take minutes and
//! gigabytes. The table here takes its schema from the first [`FEW`] files that the store lists; it reads nothing of
//! the other files until their rows are needed, and lists only those folders `name=value` for which the conditions on
//! them hold.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{DFSchema, Result, ScalarValue, TableReference, plan_err, project_schema},
    datasource::{
        file_format::FileFormat,
        listing::{
            ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl, PartitionedFile,
            helpers::{
                evaluate_partition_prefix, expr_applicable_for_cols, filter_partitioned_file, parse_partitions_for_path,
            },
        },
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder},
        table_schema::TableSchemaBuilder,
    },
    execution::SessionState,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use futures::{FutureExt, StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::TableChoice;
use object_store::{ObjectMeta, ObjectStore, path::Path};

use super::{
    file_format::{described, format_of},
    hats::Leaves,
    names::{is_shown, is_table},
};

/// Number of files whose footers are read for the schema of a table.
const FEW: usize = 1000;
/// Number of folders that are listed at once.
const AT_ONCE: usize = 16;
const ENDING: &str = ".parquet";

/// A table of many files.
#[derive(Debug)]
pub(super) struct ManyFiles {
    /// DataFusion's table, of which everything except its way of listing files is used.
    table: ListingTable,
    store: Arc<dyn ObjectStore>,
}

impl ManyFiles {
    /// Opens the table of a folder or glob, or of the leaves of a HATS catalogue; `None` if it has few files, or files
    /// of other formats than Parquet.
    pub(super) async fn open(
        state: &SessionState,
        store: &Arc<dyn ObjectStore>,
        url: &ListingTableUrl,
        leaves: Option<&Leaves>,
    ) -> Result<Option<Self>> {
        let (urls, ending) = match leaves {
            Some(leaves) => (leaves.orders.clone(), leaves.ending.as_str()),
            None => (vec![url.clone()], ENDING),
        };
        let mut first = first(state, store, &urls, ending).await?;
        if first.len() <= FEW || !first.iter().all(|file| file.location.as_ref().ends_with(ending)) {
            return Ok(None);
        }
        first.sort_by(|a, b| a.location.cmp(&b.location));
        let partitions = if leaves.is_some() { Vec::new() } else { partitions(url, &first)? };
        let format = format_of(state, store, &first, TableChoice::All).await?;
        let schema = format.infer_schema(state, store, &first).await?;
        let schema = described(state, store, &first[0], &schema).await?;
        let options = ListingOptions::new(format).with_file_extension(ending);
        let options = options.with_table_partition_cols(partitions);
        let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options).with_schema(schema);
        Ok(Some(Self { table: ListingTable::try_new(config)?, store: store.clone() }))
    }

    /// The files for which the conditions on the folders `name=value` hold, sorted by path.
    async fn files(&self, state: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let partitions = &self.table.options().table_partition_cols;
        let fields = partitions.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true));
        let columns = DFSchema::from_unqualified_fields(fields.collect(), HashMap::new())?;
        let subfolders = state.config_options().execution.listing_table_ignore_subdirectory;
        let mut files = Vec::new();
        for url in self.table.table_paths() {
            let folders = self.folders(url, filters).await?;
            let lists = folders.into_iter().map(|folder| {
                let store = self.store.clone();
                async move { store.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await }.boxed()
            });
            let mut lists = futures::stream::iter(lists).buffered(AT_ONCE);
            while let Some(listed) = lists.try_next().await? {
                for object in listed.into_iter().filter(|o| o.size > 0 && url.contains(&o.location, subfolders)) {
                    let Some(file) = self.file(url, object)? else { continue };
                    files.extend(filter_partitioned_file(file, filters, &columns)?);
                }
            }
        }
        files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
        Ok(files)
    }

    /// A file with the values of its folders; `None` if its name says that it has no rows.
    fn file(&self, url: &ListingTableUrl, object: ObjectMeta) -> Result<Option<PartitionedFile>> {
        let options = self.table.options();
        if !is_shown(url.prefix(), &object.location, &[]) {
            return Ok(None);
        }
        if !object.location.as_ref().ends_with(&options.file_extension) {
            if is_table(&object.location) {
                let message = format!("the files are not of one format: {}", object.location);
                return Err(Error::new(ErrorKind::Plan, message).hint("name those of one format with a glob").into());
            }
            return Ok(None);
        }
        let names = options.table_partition_cols.iter().map(|(name, _)| name.as_str());
        let Some(values) = parse_partitions_for_path(url, &object.location, names) else {
            let error = Error::new(ErrorKind::Plan, "the file is not in folders name=value as the others are");
            return Err(error.at("file", &object.location).hint("name those of one kind with a glob").into());
        };
        let values = values.into_iter().zip(&options.table_partition_cols);
        let values = values.map(|(value, (_, of))| ScalarValue::try_from_string(value.into_owned(), of));
        let values = values.collect::<Result<Vec<_>>>()?;
        let mut file = PartitionedFile::from(object);
        file.partition_values = values;
        Ok(Some(file))
    }

    /// The folders with the files for which `filters` may hold: for equalities the single folder that they select, for
    /// other conditions those folders of the first column for which they may hold.
    async fn folders(&self, url: &ListingTableUrl, filters: &[Expr]) -> Result<Vec<Path>> {
        let partitions = &self.table.options().table_partition_cols;
        let root = url.prefix();
        if let Some(below) = evaluate_partition_prefix(partitions, filters) {
            return Ok(vec![root.parts().chain(below.parts()).collect()]);
        }
        let Some((name, data_type)) = partitions.first() else { return Ok(vec![root.clone()]) };
        let of_first = |filter: &&Expr| expr_applicable_for_cols(&[name.as_str()], filter);
        let filters: Vec<Expr> = filters.iter().filter(of_first).cloned().collect();
        if filters.is_empty() {
            return Ok(vec![root.clone()]);
        }
        let column = vec![Field::new(name, data_type.clone(), true)];
        let column = DFSchema::from_unqualified_fields(column.into(), HashMap::new())?;
        let mut folders = Vec::new();
        for folder in self.store.list_with_delimiter(Some(root)).await?.common_prefixes {
            let Some(values) = parse_partitions_for_path(url, &folder, [name.as_str()]) else { continue };
            let mut file = PartitionedFile::new(folder.to_string(), 0);
            for value in values {
                file.partition_values.push(ScalarValue::try_from_string(value.into_owned(), data_type)?);
            }
            if filter_partitioned_file(file, &filters, &column)?.is_some() {
                folders.push(folder);
            }
        }
        Ok(folders)
    }
}

/// The first files with rows that the store lists, at most [`FEW`] plus one.
async fn first(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    urls: &[ListingTableUrl],
    ending: &str,
) -> Result<Vec<ObjectMeta>> {
    let subfolders = state.config_options().execution.listing_table_ignore_subdirectory;
    let mut found = Vec::new();
    for url in urls {
        let listed = store.list(Some(url.prefix()));
        let has_rows =
            |path: &Path| is_shown(url.prefix(), path, &[]) && (path.as_ref().ends_with(ending) || is_table(path));
        let of_table = |o: &ObjectMeta| o.size > 0 && has_rows(&o.location) && url.contains(&o.location, subfolders);
        let mut files = listed.try_filter(|object| futures::future::ready(of_table(object)));
        while let Some(file) = files.try_next().await? {
            found.push(file);
            if found.len() > FEW {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// The columns whose values are in the names of folders `name=value`.
fn partitions(url: &ListingTableUrl, files: &[ObjectMeta]) -> Result<Vec<(String, DataType)>> {
    let names = files.iter().map(|file| {
        let mut parts: Vec<&str> = url.strip_prefix(&file.location).into_iter().flatten().collect();
        parts.pop();
        parts.into_iter().filter_map(|part| Some(part.split_once('=')?.0)).collect::<Vec<&str>>()
    });
    let mut names = names.collect::<Vec<_>>();
    names.dedup();
    let [names] = &names[..] else {
        return plan_err!(
            "the folders name=value are not alike: {}",
            names.iter().take(2).map(|n| n.join("/")).collect::<Vec<_>>().join(" and ")
        );
    };
    let text = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    Ok(names.iter().map(|name| ((*name).to_owned(), text.clone())).collect())
}

#[async_trait]
impl TableProvider for ManyFiles {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = self.table.options();
        let names: Vec<&str> = options.table_partition_cols.iter().map(|(name, _)| name.as_str()).collect();
        let of_folders = |filter: &&Expr| !names.is_empty() && expr_applicable_for_cols(&names, filter);
        let of_folders: Vec<Expr> = filters.iter().filter(of_folders).cloned().collect();
        let files = self.files(state, &of_folders).await?;
        let Some(url) = self.table.table_paths().first().filter(|_| !files.is_empty()) else {
            let schema = project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        };
        let (columns, folders) = columns(&self.table);
        let table = TableSchemaBuilder::from(&columns).with_table_partition_cols(folders).build();
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url.object_store(), options.format.file_source(table))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(known_columns()))
            .build();
        options.format.create_physical_plan(state, config).await
    }
}

/// The columns of the files of a table, and the columns whose values are in folder names.
fn columns(table: &ListingTable) -> (SchemaRef, Vec<FieldRef>) {
    let names: Vec<&String> = table.options().table_partition_cols.iter().map(|(name, _)| name).collect();
    let schema = table.schema();
    let (folders, columns): (Vec<_>, Vec<_>) =
        schema.fields().iter().cloned().partition(|field| names.contains(&field.name()));
    (Arc::new(Schema::new_with_metadata(columns, schema.metadata().clone())), folders)
}

/// The files of a table, each with the values in the names of its folders `name=value`.
#[derive(Debug)]
pub struct TableFiles {
    /// Their format.
    pub format: Arc<dyn FileFormat>,
    /// Their store.
    pub store: ObjectStoreUrl,
    /// Columns of the table.
    pub schema: SchemaRef,
    /// Columns of the files.
    pub file_schema: SchemaRef,
    /// Columns whose values are in folder names.
    pub folders: Vec<FieldRef>,
    /// The files, sorted by path.
    pub files: Vec<PartitionedFile>,
}

impl super::Session {
    /// The files of the table `name`, which is a path or the name of a registered table; `None` if the table does not
    /// consist of files or has none.
    ///
    /// # Errors
    /// If there is no such table or its files cannot be listed.
    pub async fn table_files(&self, name: &str) -> Result<Option<TableFiles>> {
        let provider = self.context().table_provider(TableReference::bare(name)).await?;
        let state = self.context().state();
        let many = provider.downcast_ref::<ManyFiles>();
        let table = many.map(|many| &many.table).or_else(|| provider.downcast_ref::<ListingTable>());
        let Some(table) = table else { return Ok(None) };
        let mut files: Vec<PartitionedFile> = if let Some(many) = many {
            many.files(&state, &[]).await?
        } else {
            let groups = table.list_files_for_scan(&state, &[], None).await?.file_groups;
            groups.into_iter().flat_map(FileGroup::into_inner).collect()
        };
        files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
        let Some(url) = table.table_paths().first().filter(|_| !files.is_empty()) else { return Ok(None) };
        let (file_schema, folders) = columns(table);
        let (format, store) = (table.options().format.clone(), url.object_store());
        Ok(Some(TableFiles { format, store, schema: table.schema(), file_schema, folders, files }))
    }
}

/// Converts files to the columns of the table, and refuses a file with a column that the table does not have, since its
/// values would be dropped silently.
#[derive(Debug)]
struct KnownColumns;

static KNOWN_COLUMNS: LazyLock<Arc<dyn PhysicalExprAdapterFactory>> = LazyLock::new(|| Arc::new(KnownColumns));

/// Returns the check that refuses files with columns that the table does not have.
#[must_use]
pub fn known_columns() -> Arc<dyn PhysicalExprAdapterFactory> {
    KNOWN_COLUMNS.clone()
}

/// Whether a check is that of [`known_columns`].
#[must_use]
pub fn are_known_columns(check: &Arc<dyn PhysicalExprAdapterFactory>) -> bool {
    Arc::ptr_eq(check, &KNOWN_COLUMNS)
}

impl PhysicalExprAdapterFactory for KnownColumns {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        if let Some(other) = file.fields().iter().find(|field| table.field_with_name(field.name()).is_err()) {
            return Err(unknown_column(other.name()).into());
        }
        DefaultPhysicalExprAdapterFactory.create(table, file)
    }
}

/// The error for a file with a column that its table does not have.
fn unknown_column(name: &str) -> Error {
    let message = format!("a file has a column '{name}', which the first {FEW} files of the table have not");
    Error::new(ErrorKind::Input, message).hint("give the files with other columns as a table of their own, by a glob")
}
