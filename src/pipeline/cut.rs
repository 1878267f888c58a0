//! The cut input: its files, cut into units of work, and a table of one unit's rows alone.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session as CatalogSession, TableProvider},
    common::Result as QueryResult,
    datasource::{
        file_format::FileFormat,
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{FileGroup, FileScanConfigBuilder, parquet::ParquetRowSelection},
        table_schema::TableSchemaBuilder,
    },
    logical_expr::{Expr, TableType},
    parquet::{
        arrow::arrow_reader::{RowSelection, RowSelector},
        file::metadata::ParquetMetaDataReader,
    },
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::counted::{CountedExec, ReadRows};
use crate::{
    error::{Error, ErrorKind, Result},
    release::parquet_reader::StoreReader,
    session::{Location, Session},
    sources::is_parquet,
};

/// Bytes at the end of a Parquet file that are read at once: most footers are no longer.
const FOOTER_BYTES: usize = 16 << 10;
/// Endings of compressed files, which may have more rows than bytes.
const PACKED: [&str; 5] = [".gz", ".bz2", ".xz", ".zst", ".zip"];
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
    /// Whether the store calls a file's state the same when it lists it and when it is asked for it.
    tagged: bool,
}

/// A unit of work: rows of a file that follow each other, or small files that do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which of the input's files; the first of them if there are several.
    pub file: usize,
    /// How many files, one after the other; several are whole.
    pub files: usize,
    /// Rows of the file before the unit's.
    pub before: u64,
    /// Rows of the unit; `None` for whole files that do not say how many they have.
    pub rows: Option<u64>,
    /// Rows of the file after the unit's.
    pub after: u64,
    /// Bytes of the files that the rows take, about.
    pub bytes: u64,
}

impl Cut {
    /// Numbers of its files.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.file..self.file + self.files
    }

    fn is_whole(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// What the reader of a Parquet file is to give; `None` if all of it. A reader that finds another number of rows in
    /// the file refuses it.
    fn selection(&self) -> Option<ParquetRowSelection> {
        if self.files > 1 {
            return None;
        }
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

    /// Makes sure that files are still what they were when the work was planned.
    ///
    /// # Errors
    /// If one is gone or is another one.
    pub async fn check_unchanged(&self, session: &Session, files: Range<usize>) -> Result<()> {
        let checks = files.map(|file| self.check_file(session, file));
        futures::stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The files: places, sizes, times of last change.
    pub fn files(&self) -> impl Iterator<Item = &ObjectMeta> {
        self.files.iter().map(|file| &file.object_meta)
    }

    /// Path, size, and what changes when the file does, of each file.
    pub(super) fn states(&self) -> Vec<(String, u64, String)> {
        (0..self.files.len()).map(|file| self.state(file)).collect()
    }

    /// Path, size, and what changes when the file does.
    pub(super) fn state(&self, file: usize) -> (String, u64, String) {
        let file = &self.files[file].object_meta;
        // Its ETag, else its time.
        let state = file.e_tag.clone().unwrap_or_else(|| file.last_modified.to_rfc3339());
        (file.location.to_string(), file.size, state)
    }

    /// The store that the files are in.
    pub(super) fn store(&self) -> &str {
        self.store_url.as_str()
    }

    /// Cuts the files into units of at most `rows` rows. Units are whole row groups where these are no larger; of a larger one
    /// each unit reads a part, by the file's page index if it has one. Small files that follow each other share a unit; those
    /// of other formats than Parquet, which do not say how many rows they have, only where they have no more bytes than a
    /// unit may have rows.
    ///
    /// # Errors
    /// If a footer cannot be read.
    pub async fn cut(&self, session: &Session, rows: u64) -> Result<Vec<Cut>> {
        if !is_parquet(self.format.as_ref()) {
            let whole = |(file, object): (usize, &ObjectMeta)| Cut {
                file,
                files: 1,
                before: 0,
                rows: None,
                after: 0,
                bytes: object.size,
            };
            let is_packed =
                |cut: &Cut| PACKED.iter().any(|end| self.files[cut.file].object_meta.location.as_ref().ends_with(end));
            return Ok(joined(self.files().enumerate().map(whole), rows, |cut| {
                if is_packed(cut) { u64::MAX } else { cut.bytes }
            }));
        }
        let store = session.context().runtime_env().object_store(&self.store_url).map_err(|e| unusable("", &e))?;
        let footers = self.files().map(|object| {
            let reader = StoreReader::new(store.clone(), object.location.clone());
            row_groups(object, reader, &self.file_schema)
        });
        let footers: Vec<Vec<RowGroup>> = futures::stream::iter(footers).buffered(AT_ONCE).try_collect().await?;
        let cuts = footers.iter().enumerate().flat_map(|(file, groups)| cuts(file, groups, rows));
        Ok(joined(cuts, rows, |cut| cut.rows.unwrap_or(u64::MAX)))
    }

    /// The rows of a unit as a table, and the count of those that are read of it.
    #[must_use]
    pub(super) fn table(&self, cut: Cut) -> (Arc<dyn TableProvider>, Arc<ReadRows>) {
        let read = Arc::new(ReadRows::default());
        (Arc::new(UnitTable { input: self.clone(), cut, read: read.clone() }), read)
    }
}

/// Whether a store calls a file's state the same when it lists it and when it is asked for it.
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

/// A file's ETag without what lists and answers write differently round it.
fn tag(file: &ObjectMeta) -> &str {
    let tag = file.e_tag.as_deref().unwrap_or_default();
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
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

/// The row groups of a file, of whose footer nothing else is kept; all its columns must be the table's.
async fn row_groups(object: &ObjectMeta, mut reader: StoreReader, table: &Schema) -> Result<Vec<RowGroup>> {
    let footer = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
    let metadata = footer.load_and_finish(&mut reader, object.size).await.map_err(|e| {
        Error::new(ErrorKind::Input, "the footer cannot be read").at("file", &object.location).source(e)
    })?;
    let columns = metadata.file_metadata().schema_descr().root_schema().get_fields();
    if let Some(other) = columns.iter().find(|column| table.field_with_name(column.name()).is_err()) {
        let message = format!("the file has a column '{}', which the first files of the table have not", other.name());
        let error = Error::new(ErrorKind::Input, message).at("file", &object.location);
        return Err(error.hint("give the files with other columns as an input of their own, by a glob"));
    }
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
            if let Some(last) = cuts.last_mut().filter(|last| last.rows.unwrap_or(0) + rows <= most) {
                last.rows = last.rows.map(|own| own + rows);
                last.bytes += bytes;
                last.after -= rows;
            } else {
                let after = total - before - rows;
                cuts.push(Cut { file, files: 1, before, rows: Some(rows), after, bytes });
            }
            before += rows;
        }
    }
    cuts
}

/// Joins whole files that follow each other up to `most` rows, by how many each may have.
fn joined(cuts: impl Iterator<Item = Cut>, most: u64, rows: impl Fn(&Cut) -> u64) -> Vec<Cut> {
    let mut all: Vec<Cut> = Vec::new();
    let mut room = 0;
    for cut in cuts {
        let own = rows(&cut);
        if let Some(last) = all.last_mut().filter(|last| last.is_whole() && cut.is_whole() && own <= room) {
            last.files = cut.file + 1 - last.file;
            last.rows = last.rows.zip(cut.rows).map(|(some, more)| some + more);
            last.bytes += cut.bytes;
            room -= own;
        } else {
            all.push(cut);
            room = most.saturating_sub(own);
        }
    }
    all
}

/// One unit's rows.
#[derive(Debug)]
struct UnitTable {
    input: CutInput,
    cut: Cut,
    read: Arc<ReadRows>,
}

impl UnitTable {
    /// The files; of one that is cut only the unit's rows are read.
    fn files(&self) -> Vec<PartitionedFile> {
        let files = &self.input.files[self.cut.range()];
        let (Some(selection), [file]) = (self.cut.selection(), files) else { return files.to_vec() };
        // What is known of the whole file is not of its part.
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

    #[test]
    fn small_files_share_a_unit_and_large_ones_do_not() {
        let rows = [30, 30, 0, 40, 250, 60, 50, 7];
        let files =
            rows.iter().enumerate().flat_map(|(file, rows)| cuts(file, &[RowGroup { rows: *rows, bytes: 1 }], 100));
        let units = joined(files, 100, |cut| cut.rows.unwrap());
        let shape: Vec<_> = units.iter().map(|unit| (unit.range(), unit.before, unit.rows.unwrap())).collect();
        let expected = [(0..4, 0, 100), (4..5, 0, 83), (4..5, 83, 83), (4..5, 166, 84), (5..6, 0, 60), (6..8, 0, 57)];
        assert_eq!(shape, expected);
        assert_eq!(units.iter().map(|unit| unit.rows.unwrap()).sum::<u64>(), rows.iter().sum::<u64>());
    }
}
