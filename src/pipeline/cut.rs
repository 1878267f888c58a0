//! The cut input: its files, cut into units of work, and a table of one unit's rows alone.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session as CatalogSession, TableProvider},
    common::{Result as QueryResult, TableReference},
    datasource::{
        file_format::{FileFormat, parquet::ParquetFormat},
        listing::{ListingTable, PartitionedFile},
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, parquet::ParquetAccessPlan},
        table_schema::TableSchemaBuilder,
    },
    logical_expr::{Expr, TableType},
    parquet::arrow::async_reader::AsyncFileReader,
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use crate::{
    error::{Error, ErrorKind, Result},
    release::parquet_reader::StoreReader,
    session::{Session, without_secrets},
};

/// Footers read at once.
const AT_ONCE: usize = 16;

/// The input that is cut into units.
#[derive(Debug, Clone)]
pub struct CutInput {
    format: Arc<dyn FileFormat>,
    store_url: ObjectStoreUrl,
    file_schema: SchemaRef,
    schema: SchemaRef,
    partition_columns: Vec<arrow::datatypes::FieldRef>,
    files: Arc<[PartitionedFile]>,
}

/// A unit of work: a file, or some of its row groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which of the input's files.
    pub file: usize,
    /// First row group and the one after the last; `None` for a file that has none.
    pub row_groups: Option<(usize, usize)>,
    /// Rows, if the file says.
    pub rows: Option<u64>,
    /// Bytes of the file that they take, about.
    pub bytes: u64,
}

impl CutInput {
    /// Opens the files that `path` stands for.
    ///
    /// # Errors
    /// If there is none, or they cannot be listed or read as a table.
    pub async fn open(session: &Session, path: &str) -> Result<Self> {
        let shown = without_secrets(path);
        let failed = |e: datafusion::error::DataFusionError| unusable(&shown, &e);
        let provider = session.context().table_provider(TableReference::bare(path)).await.map_err(failed)?;
        let listing = provider
            .downcast_ref::<ListingTable>()
            .ok_or_else(|| Error::new(ErrorKind::Input, "the input is not made of files").at("input", &shown))?;
        let state = session.context().state();
        let groups = listing.list_files_for_scan(&state, &[], None).await.map_err(failed)?.file_groups;
        let mut files: Vec<PartitionedFile> = groups.iter().flat_map(|group| group.iter().cloned()).collect();
        files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
        let (Some(url), false) = (listing.table_paths().first(), files.is_empty()) else {
            let error = Error::new(ErrorKind::Input, "the input has no files").at("input", &shown);
            return Err(error.hint("check the path; a folder is searched for the files of one format"));
        };
        let names: Vec<&String> = listing.options().table_partition_cols.iter().map(|(name, _)| name).collect();
        let schema = listing.schema();
        let (partitions, columns): (Vec<_>, Vec<_>) =
            schema.fields().iter().cloned().partition(|field| names.contains(&field.name()));
        Ok(Self {
            format: listing.options().format.clone(),
            store_url: url.object_store(),
            file_schema: Arc::new(Schema::new_with_metadata(columns, schema.metadata().clone())),
            schema,
            partition_columns: partitions,
            files: files.into(),
        })
    }

    /// The files: places, sizes, times of last change.
    pub fn files(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.files.iter().map(|file| &file.object_meta)
    }

    /// Cuts the files into units of at most `rows` rows, but whole row groups; files of other formats than Parquet are one
    /// unit each.
    ///
    /// # Errors
    /// If a footer cannot be read.
    pub async fn cut(&self, session: &Session, rows: u64) -> Result<Vec<Cut>> {
        if !self.format.is::<ParquetFormat>() {
            let whole =
                |(file, object): (usize, &ObjectMeta)| Cut { file, row_groups: None, rows: None, bytes: object.size };
            return Ok(self.files().enumerate().map(whole).collect());
        }
        let store = session.context().runtime_env().object_store(&self.store_url).map_err(|e| unusable("", &e))?;
        let footers = self.files().enumerate().map(|(file, object)| {
            let reader = StoreReader::new(store.clone(), object.location.clone());
            footer(file, object, reader)
        });
        let footers: Vec<Vec<Cut>> = futures::stream::iter(footers).buffered(AT_ONCE).try_collect().await?;
        Ok(footers.into_iter().flat_map(|groups| join(groups, rows)).collect())
    }

    /// The rows of a unit as a table.
    #[must_use]
    pub fn table(&self, cut: Cut) -> Arc<dyn TableProvider> {
        Arc::new(UnitTable { input: self.clone(), cut })
    }
}

fn unusable(input: &str, e: &datafusion::error::DataFusionError) -> Error {
    Error::new(ErrorKind::Input, "the input cannot be read").at("input", input).source(e.strip_backtrace())
}

/// The row groups of a file, each as a unit.
async fn footer(file: usize, object: &ObjectMeta, mut reader: StoreReader) -> Result<Vec<Cut>> {
    let metadata = reader.get_metadata(None).await.map_err(|e| {
        Error::new(ErrorKind::Input, "the footer cannot be read").at("file", &object.location).source(e)
    })?;
    let groups = metadata.row_groups().iter().enumerate();
    let cuts = groups.map(|(i, group)| Cut {
        file,
        row_groups: Some((i, i + 1)),
        rows: Some(group.num_rows().max(0) as u64),
        bytes: group.compressed_size().max(0) as u64,
    });
    Ok(cuts.collect())
}

/// Joins row groups of a file that follow each other up to `rows` rows.
fn join(groups: Vec<Cut>, rows: u64) -> Vec<Cut> {
    let mut joined: Vec<Cut> = Vec::new();
    for group in groups {
        let fits = |last: &Cut| last.rows.unwrap_or(0) + group.rows.unwrap_or(0) <= rows;
        match (joined.last_mut().filter(|last| fits(last)), group.row_groups) {
            (Some(last), Some((_, end))) => {
                last.row_groups = last.row_groups.map(|(start, _)| (start, end));
                last.rows = last.rows.zip(group.rows).map(|(a, b)| a + b);
                last.bytes += group.bytes;
            }
            _ => joined.push(group),
        }
    }
    joined
}

/// One unit's rows.
#[derive(Debug)]
struct UnitTable {
    input: CutInput,
    cut: Cut,
}

impl UnitTable {
    /// The file, of which only the unit's row groups are read.
    async fn file(&self, state: &dyn CatalogSession) -> QueryResult<PartitionedFile> {
        let file = self.input.files[self.cut.file].clone();
        let Some((start, end)) = self.cut.row_groups else { return Ok(file) };
        let store = state.runtime_env().object_store(&self.input.store_url)?;
        let object = &file.object_meta;
        let mut reader = StoreReader::new(store, object.location.clone());
        let groups = reader.get_metadata(None).await?.num_row_groups();
        let mut plan = ParquetAccessPlan::new_none(groups);
        (start..end.min(groups)).for_each(|group| plan.scan(group));
        // What is known of the whole file is not of its part.
        let mut part = PartitionedFile::new_from_meta(file.object_meta);
        part.partition_values = file.partition_values;
        part.extensions.insert(plan);
        Ok(part)
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
            .with_file_groups(vec![FileGroup::new(vec![self.file(state).await?])])
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        input.format.create_physical_plan(state, config).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_groups_are_joined_up_to_the_rows_of_a_unit() {
        let group = |i: usize, rows| Cut { file: 0, row_groups: Some((i, i + 1)), rows: Some(rows), bytes: rows };
        let cuts = join(vec![group(0, 40), group(1, 40), group(2, 40), group(3, 500), group(4, 1)], 100);
        let shape: Vec<_> = cuts.iter().map(|cut| (cut.row_groups, cut.rows)).collect();
        assert_eq!(
            shape,
            [(Some((0, 2)), Some(80)), (Some((2, 3)), Some(40)), (Some((3, 4)), Some(500)), (Some((4, 5)), Some(1))]
        );
    }
}
