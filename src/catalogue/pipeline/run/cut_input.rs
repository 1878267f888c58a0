//! The input that is divided into units: its files, and a table of the rows of one unit.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session as CatalogSession, TableProvider},
    common::Result as QueryResult,
    datasource::{
        file_format::FileFormat,
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder},
        table_schema::TableSchemaBuilder,
    },
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_formats::is_parquet;
use lamcat_release::parquet_reader::StoreReader;
use lamcat_sql::session::{Location, Session};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::{
    counted_exec::{CountedExec, ReadRows},
    partitioning::{InputRange, RowGroup, file_ranges, joined, row_groups},
};

/// Suffixes of compressed files, which may have more rows than bytes.
const PACKED: [&str; 5] = [".gz", ".bz2", ".xz", ".zst", ".zip"];
/// Number of footers that are read at once.
const AT_ONCE: usize = 16;

/// The input that is divided into units.
#[derive(Debug, Clone)]
pub struct CutInput {
    format: Arc<dyn FileFormat>,
    store_url: ObjectStoreUrl,
    file_schema: SchemaRef,
    schema: SchemaRef,
    partition_columns: Vec<arrow::datatypes::FieldRef>,
    files: Arc<[PartitionedFile]>,
    /// Whether the store reports the same ETag for a file when it lists it as when it is asked for the file alone.
    tagged: bool,
}

impl CutInput {
    /// Opens the files that `path` refers to.
    ///
    /// # Errors
    /// If there are none, or they cannot be listed or read as a table.
    pub async fn open(session: &Session, path: &Location) -> Result<Self> {
        let shown = path.to_string();
        let failed = |e: datafusion::error::DataFusionError| unusable(&shown, &e);
        let table = session.table_files(path.exposed()).await.map_err(failed)?.ok_or_else(|| {
            let error = Error::new(ErrorKind::Input, "the input has no files").at("input", &shown);
            error.hint("check the path; a folder is searched for the files of one format")
        })?;
        let store = session.context().runtime_env().object_store(&table.store).map_err(failed)?;
        let tagged = match table.files.first() {
            Some(one) => is_tagged(&store, &one.object_meta).await,
            None => false,
        };
        Ok(Self {
            format: table.format,
            store_url: table.store,
            file_schema: table.file_schema,
            schema: table.schema,
            partition_columns: table.folders,
            files: table.files.into(),
            tagged,
        })
    }

    async fn check_file(&self, session: &Session, file: usize) -> Result<()> {
        let store = session.context().runtime_env().object_store(&self.store_url).map_err(|e| unusable("", &e))?;
        let planned = &self.files[file].object_meta;
        let now = head(&store, planned).await?;
        let same = if self.tagged {
            tag(planned) == tag(&now)
        } else {
            planned.last_modified.timestamp() == now.last_modified.timestamp()
        };
        if same && planned.size == now.size {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, "a file of the input was changed while the run was under way")
            .at("file", &planned.location)
            .retryable(true)
            .hint("what was read of it does not count; run again, which plans with the file as it is now"))
    }

    /// Checks that files have not changed since the run was prepared.
    ///
    /// # Errors
    /// If a file is missing or was replaced.
    pub async fn check_unchanged(&self, session: &Session, files: Range<usize>) -> Result<()> {
        let checks = files.map(|file| self.check_file(session, file));
        futures::stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The files with their paths, sizes and modification times.
    pub fn files(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.files.iter().map(|file| &file.object_meta)
    }

    /// For each file, its path, its size, and a text that changes when the file does.
    pub(super) fn states(&self) -> Vec<(String, u64, String)> {
        (0..self.files.len()).map(|file| self.state(file)).collect()
    }

    /// The path and size of a file, and a text that changes when the file does.
    pub(super) fn state(&self, file: usize) -> (String, u64, String) {
        let file = &self.files[file].object_meta;
        // The ETag, or the modification time if there is no ETag.
        let state = file.e_tag.clone().unwrap_or_else(|| file.last_modified.to_rfc3339());
        (file.location.to_string(), file.size, state)
    }

    /// The store that the files are in.
    pub(super) fn store(&self) -> &str {
        self.store_url.as_str()
    }

    /// Divides the files into units of at most `rows` rows. A unit consists of whole row groups if these have no more
    /// rows than that; a larger row group is divided, and each unit reads a part of it, by the file's page index if it
    /// has one. Consecutive small files are joined into one unit. Files of formats other than Parquet do not say how
    /// many rows they have; they are joined only as long as their bytes together are no more than the rows of a unit.
    ///
    /// # Errors
    /// If a footer cannot be read.
    pub async fn partition(&self, session: &Session, rows: u64) -> Result<Vec<InputRange>> {
        if !is_parquet(self.format.as_ref()) {
            let whole = |(file, object): (usize, &ObjectMeta)| InputRange {
                file,
                files: 1,
                before: 0,
                rows: None,
                after: 0,
                bytes: object.size,
            };
            let is_packed = |range: &InputRange| {
                PACKED.iter().any(|end| self.files[range.file].object_meta.location.as_ref().ends_with(end))
            };
            return Ok(joined(self.files().enumerate().map(whole), rows, |range| {
                if is_packed(range) { u64::MAX } else { range.bytes }
            }));
        }
        let store = session.context().runtime_env().object_store(&self.store_url).map_err(|e| unusable("", &e))?;
        let footers = self.files().map(|object| {
            let reader = StoreReader::new(store.clone(), object.location.clone());
            row_groups(object, reader, &self.file_schema)
        });
        let footers: Vec<Vec<RowGroup>> = futures::stream::iter(footers).buffered(AT_ONCE).try_collect().await?;
        let ranges = footers.iter().enumerate().flat_map(|(file, groups)| file_ranges(file, groups, rows));
        Ok(joined(ranges, rows, |range| range.rows.unwrap_or(u64::MAX)))
    }

    /// The rows of a unit as a table, and the counter of the rows that are read from it.
    #[must_use]
    pub(super) fn table(&self, range: InputRange) -> (Arc<dyn TableProvider>, Arc<ReadRows>) {
        let read = Arc::new(ReadRows::default());
        (Arc::new(UnitTable { input: self.clone(), range, read: read.clone() }), read)
    }
}

/// Whether the store reports the same ETag for a file when it lists it as when it is asked for the file alone.
async fn is_tagged(store: &Arc<dyn ObjectStore>, listed: &ObjectMeta) -> bool {
    listed.e_tag.is_some() && head(store, listed).await.is_ok_and(|asked| tag(&asked) == tag(listed))
}

async fn head(store: &Arc<dyn ObjectStore>, file: &ObjectMeta) -> Result<ObjectMeta> {
    store.head(&file.location).await.map_err(|e| {
        let is_gone = matches!(e, object_store::Error::NotFound { .. });
        let error = Error::new(ErrorKind::Io, "a file of the input cannot be looked at").at("file", &file.location);
        let error = error.source(e).hint("if it was taken away, run again, which plans with the files that there are");
        if is_gone { error.retryable(true) } else { error }
    })
}

/// A file's ETag without the characters around it that differ between listings and single answers.
fn tag(file: &ObjectMeta) -> &str {
    let tag = file.e_tag.as_deref().unwrap_or_default();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

fn unusable(input: &str, e: &datafusion::error::DataFusionError) -> Error {
    Error::from_datafusion("the input cannot be read", e).at("input", input)
}

/// The rows of one unit.
#[derive(Debug)]
struct UnitTable {
    input: CutInput,
    range: InputRange,
    read: Arc<ReadRows>,
}

impl UnitTable {
    /// The files of the unit. If its file is divided, only the rows of the unit are selected.
    fn files(&self) -> Vec<PartitionedFile> {
        let files = &self.input.files[self.range.file_numbers()];
        let (Some(selection), [file]) = (self.range.selection(), files) else { return files.to_vec() };
        // The statistics of the whole file do not hold for a part of it.
        let mut part = PartitionedFile::new_from_meta(file.object_meta.clone());
        part.partition_values.clone_from(&file.partition_values);
        part.extensions.insert(selection);
        vec![part]
    }
}

#[async_trait]
impl TableProvider for UnitTable {
    fn schema(&self) -> SchemaRef {
        self.input.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn CatalogSession,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let input = &self.input;
        let table = TableSchemaBuilder::from(&input.file_schema)
            .with_table_partition_cols(input.partition_columns.clone())
            .build();
        let config = FileScanConfigBuilder::new(input.store_url.clone(), input.format.file_source(table))
            .with_file_groups(vec![FileGroup::new(self.files())])
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        let scan = input.format.create_physical_plan(state, config).await?;
        Ok(Arc::new(CountedExec::new(scan, self.read.clone())))
    }
}
