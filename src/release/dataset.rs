//! The files beside the leaves: the schema alone, the row groups of all leaves together, and one row of every tile.

use std::thread::available_parallelism;

use arrow::{array::RecordBatch, compute::concat_batches, datatypes::SchemaRef};
use datafusion::parquet::{
    arrow::{ParquetRecordBatchStreamBuilder, arrow_reader::ArrowReaderOptions},
    errors::ParquetError,
    file::metadata::{FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData},
};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{damage::miscounted, parquet_file::Written, parquet_reader::StoreReader, storage::Storage};

/// With more leaves than this, the file of all row groups would be too large to be useful.
const MOST_LEAVES: usize = 20_000;
/// Number of footers that are read at once.
const AT_ONCE: usize = 8;

/// Number of tables that are read at once: decoding one keeps a core busy and holds a row group in memory.
pub fn tables_at_once() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A reader of a table.
///
/// # Errors
/// If it is not a Parquet file.
pub async fn open(storage: &Storage, file: &str) -> Result<ParquetRecordBatchStreamBuilder<StoreReader>> {
    open_with(storage, file, ArrowReaderOptions::new()).await
}

async fn open_with(
    storage: &Storage,
    file: &str,
    options: ArrowReaderOptions,
) -> Result<ParquetRecordBatchStreamBuilder<StoreReader>> {
    let reader = StoreReader::new(storage.store().clone(), storage.path(file));
    let opened = ParquetRecordBatchStreamBuilder::new_with_options(reader, options).await;
    opened.map_err(|e| damaged(storage, file, e))
}

/// The error for a table that cannot be read.
#[must_use]
pub fn damaged(storage: &Storage, file: &str, e: ParquetError) -> Error {
    Error::new(ErrorKind::Input, "the table cannot be read").at("file", storage.shown(file)).source(e)
}

/// The row groups of all `leaves` of the catalogue in `folder`, as `_metadata`; `None` if there are too many leaves.
///
/// # Errors
/// If a leaf cannot be read.
pub async fn all_row_groups(storage: &Storage, folder: &str, leaves: &[Written]) -> Result<Option<Vec<u8>>> {
    let Some(first) = leaves.first().filter(|_| leaves.len() <= MOST_LEAVES) else { return Ok(None) };
    let footer = open(storage, &first.path).await?.metadata().clone();
    let footers: Vec<_> = leaves.iter().map(|leaf| footer_of(storage, folder, leaf)).collect();
    let footers = futures::stream::iter(footers).buffered(AT_ONCE);
    let groups: Vec<Vec<RowGroupMetaData>> = footers.try_collect().await?;
    let of_file = footer.file_metadata();
    let all = FileMetaData::new(
        of_file.version(),
        leaves.iter().map(|leaf| leaf.rows as i64).sum(),
        of_file.created_by().map(str::to_owned),
        of_file.key_value_metadata().cloned(),
        of_file.schema_descr_ptr(),
        of_file.column_orders().cloned(),
    );
    let failed = |e| Error::new(ErrorKind::Io, "cannot write _metadata").source(e);
    let mut bytes = b"PAR1".to_vec();
    let all = ParquetMetaData::new(all, groups.concat());
    ParquetMetaDataWriter::new(&mut bytes, &all).finish().map_err(failed)?;
    Ok(Some(bytes))
}

/// A leaf's row groups, which say in which file they are, relative to the folder `dataset`.
async fn footer_of(storage: &Storage, folder: &str, leaf: &Written) -> Result<Vec<RowGroupMetaData>> {
    let prefix = format!("{folder}/dataset/");
    let file = leaf.path.strip_prefix(&prefix).unwrap_or(&leaf.path);
    let footer = open(storage, &leaf.path).await?.metadata().clone();
    let rows = footer.file_metadata().num_rows() as u64;
    if rows != leaf.rows {
        return Err(miscounted(rows, leaf.rows).at("file", storage.shown(&leaf.path)));
    }
    let placed = footer.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let column = column.clone().into_builder().set_file_path(file.to_owned());
            column.set_offset_index_offset(None).set_column_index_offset(None).build()
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        group.clone().into_builder().set_column_metadata(columns).build()
    });
    placed.collect::<Result<_, _>>().map_err(|e| damaged(storage, &leaf.path, e))
}

/// The first row of every leaf.
///
/// # Errors
/// If a leaf cannot be read.
pub async fn first_rows(storage: &Storage, schema: &SchemaRef, leaves: &[Written]) -> Result<RecordBatch> {
    let rows: Vec<_> = leaves.iter().map(|leaf| first_row(storage, leaf)).collect();
    let rows: Vec<Option<RecordBatch>> = futures::stream::iter(rows).buffered(AT_ONCE).try_collect().await?;
    let rows = rows.into_iter().flatten().map(|row| RecordBatch::try_new(schema.clone(), row.columns().to_vec()));
    let rows = rows.collect::<Result<Vec<_>, _>>().and_then(|rows| concat_batches(schema, &rows));
    rows.map_err(|e| Error::new(ErrorKind::Input, "the leaves do not have the same columns").source(e))
}

async fn first_row(storage: &Storage, leaf: &Written) -> Result<Option<RecordBatch>> {
    // The page index is read too; without it a whole row group would be fetched for its first row.
    let options = ArrowReaderOptions::new().with_offset_index_policy(PageIndexPolicy::Optional);
    let reader = open_with(storage, &leaf.path, options).await?.with_limit(1).build();
    let mut reader = reader.map_err(|e| damaged(storage, &leaf.path, e))?;
    reader.try_next().await.map_err(|e| damaged(storage, &leaf.path, e))
}
