//! The cut input: its files, cut into units of work, and a table of one unit's rows alone.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session as CatalogSession, TableProvider},
    common::{Result as QueryResult, TableReference},
    datasource::{
        file_format::FileFormat,
        listing::{ListingTable, PartitionedFile},
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, parquet::ParquetRowSelection},
        table_schema::TableSchemaBuilder,
    },
    logical_expr::{Expr, TableType},
    parquet::arrow::{
        arrow_reader::{RowSelection, RowSelector},
        async_reader::AsyncFileReader,
    },
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;

use crate::{
    error::{Error, ErrorKind, Result},
    release::parquet_reader::StoreReader,
    session::{Location, Session},
    sources::is_parquet,
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

/// A unit of work: rows of a file that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which of the input's files.
    pub file: usize,
    /// Rows of the file before the unit's.
    pub before: u64,
    /// Rows of the unit; `None` for the whole of a file that does not say how many it has.
    pub rows: Option<u64>,
    /// Rows of the file after the unit's.
    pub after: u64,
    /// Bytes of the file that the rows take, about.
    pub bytes: u64,
}

impl Cut {
    /// What the reader of a Parquet file is to give; `None` if all of it. A reader that finds another number of rows in
    /// the file refuses it.
    fn selection(&self) -> Option<ParquetRowSelection> {
        let part = [RowSelector::skip(self.before as usize), RowSelector::select(self.rows? as usize)];
        let selectors = part.into_iter().chain([RowSelector::skip(self.after as usize)]);
        Some(RowSelection::from(selectors.filter(|s| s.row_count > 0).collect::<Vec<_>>()).into())
    }
}

impl CutInput {
    /// Opens the files that `path` stands for.
    ///
    /// # Errors
    /// If there is none, or they cannot be listed or read as a table.
    pub async fn open(session: &Session, path: &Location) -> Result<Self> {
        let shown = path.to_string();
        let failed = |e: datafusion::error::DataFusionError| unusable(&shown, &e);
        let provider = session.context().table_provider(TableReference::bare(path.exposed())).await.map_err(failed)?;
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

    /// Cuts the files into units of at most `rows` rows; files of other formats than Parquet are one unit each. Units are
    /// whole row groups where these are no larger; of a larger one each unit reads a part, by the file's page index if it
    /// has one.
    ///
    /// # Errors
    /// If a footer cannot be read.
    pub async fn cut(&self, session: &Session, rows: u64) -> Result<Vec<Cut>> {
        if !is_parquet(self.format.as_ref()) {
            let whole = |(file, object): (usize, &ObjectMeta)| Cut {
                file,
                before: 0,
                rows: None,
                after: 0,
                bytes: object.size,
            };
            return Ok(self.files().enumerate().map(whole).collect());
        }
        let store = session.context().runtime_env().object_store(&self.store_url).map_err(|e| unusable("", &e))?;
        let footers = self.files().map(|object| {
            let reader = StoreReader::new(store.clone(), object.location.clone());
            row_groups(object, reader)
        });
        let footers: Vec<Vec<RowGroup>> = futures::stream::iter(footers).buffered(AT_ONCE).try_collect().await?;
        Ok(footers.iter().enumerate().flat_map(|(file, groups)| cuts(file, groups, rows)).collect())
    }

    /// The rows of a unit as a table.
    #[must_use]
    pub fn table(&self, cut: Cut) -> Arc<dyn TableProvider> {
        Arc::new(UnitTable { input: self.clone(), cut })
    }
}

fn unusable(input: &str, e: &datafusion::error::DataFusionError) -> Error {
    Error::from_datafusion("the input cannot be read", e).at("input", input)
}

/// A row group: its rows, and the bytes that they take.
#[derive(Debug, Clone, Copy)]
struct RowGroup {
    rows: u64,
    bytes: u64,
}

/// The row groups of a file.
async fn row_groups(object: &ObjectMeta, mut reader: StoreReader) -> Result<Vec<RowGroup>> {
    let metadata = reader.get_metadata(None).await.map_err(|e| {
        Error::new(ErrorKind::Input, "the footer cannot be read").at("file", &object.location).source(e)
    })?;
    let groups = metadata.row_groups().iter();
    let groups = groups
        .map(|group| RowGroup { rows: group.num_rows().max(0) as u64, bytes: group.compressed_size().max(0) as u64 });
    Ok(groups.collect())
}

/// Cuts a file: row groups that follow each other are joined up to `most` rows, larger ones are cut into equal parts.
fn cuts(file: usize, groups: &[RowGroup], most: u64) -> Vec<Cut> {
    let total: u64 = groups.iter().map(|group| group.rows).sum();
    let mut cuts: Vec<Cut> = Vec::new();
    let mut before = 0;
    for group in groups.iter().filter(|group| group.rows > 0) {
        let parts = group.rows.div_ceil(most.max(1));
        for part in 0..parts {
            let share = |whole: u64| whole * (part + 1) / parts - whole * part / parts;
            let (rows, bytes) = (share(group.rows), share(group.bytes));
            match cuts.last_mut().filter(|last| last.rows.unwrap_or(0) + rows <= most) {
                Some(last) => {
                    last.rows = last.rows.map(|own| own + rows);
                    last.bytes += bytes;
                    last.after -= rows;
                }
                None => cuts.push(Cut { file, before, rows: Some(rows), after: total - before - rows, bytes }),
            }
            before += rows;
        }
    }
    cuts
}

/// One unit's rows.
#[derive(Debug)]
struct UnitTable {
    input: CutInput,
    cut: Cut,
}

impl UnitTable {
    /// The file, of which only the unit's rows are read.
    fn file(&self) -> PartitionedFile {
        let file = self.input.files[self.cut.file].clone();
        let Some(selection) = self.cut.selection() else { return file };
        // What is known of the whole file is not of its part.
        let mut part = PartitionedFile::new_from_meta(file.object_meta);
        part.partition_values = file.partition_values;
        part.extensions.insert(selection);
        part
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
            .with_file_groups(vec![FileGroup::new(vec![self.file()])])
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        input.format.create_physical_plan(state, config).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(group_rows: &[u64], most: u64) -> Vec<(u64, Option<u64>, u64)> {
        let groups: Vec<RowGroup> = group_rows.iter().map(|rows| RowGroup { rows: *rows, bytes: 10 * rows }).collect();
        let cuts = cuts(0, &groups, most);
        assert_eq!(cuts.iter().map(|cut| cut.bytes).sum::<u64>(), 10 * group_rows.iter().sum::<u64>());
        cuts.iter().map(|cut| (cut.before, cut.rows, cut.after)).collect()
    }

    #[test]
    fn row_groups_are_joined_up_to_the_rows_of_a_unit_and_larger_ones_are_cut() {
        assert_eq!(shape(&[40, 40, 40, 1], 100), [(0, Some(80), 41), (80, Some(41), 0)]);
        assert_eq!(shape(&[250], 100), [(0, Some(83), 167), (83, Some(83), 84), (166, Some(84), 0)]);
        assert_eq!(shape(&[30, 0, 101, 49], 100), [(0, Some(80), 100), (80, Some(100), 0)]);
        assert_eq!(shape(&[], 100), []);
    }
}
