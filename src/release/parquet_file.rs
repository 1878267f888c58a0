//! Parquet files as releases store them, with their hash. The encoding does not depend on the batches in which rows
//! arrive.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    compute::BatchCoalescer,
    datatypes::{Schema, SchemaRef},
};
use datafusion::parquet::{
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::with_floats_split,
};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    row_groups::RowGroups,
    storage::Storage,
    upload::{Upload, Uploaded},
};

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 100_000;
/// Bytes of a page.
const PAGE_BYTES: usize = 128 << 10;
/// Maximum number of rows of a page in working files: a tile needs few rows of each of many units, and pages are read
/// whole.
const WORKING_PAGE_ROWS: usize = 1024;
/// Number of rows that are encoded at once: equal batches make equal files, however the rows arrived.
const BATCH_ROWS: usize = 8192;

/// How hard a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For files that are read once and deleted.
    Working,
    /// For files that are published.
    Published,
}

impl Effort {
    fn compression(self) -> Compression {
        match self {
            // Reading a few rows from each of many units with zstd would create one decompressor for every column of
            // each unit.
            Self::Working => Compression::LZ4_RAW,
            // The level must be one of zstd's, 1 to 22.
            Self::Published => Compression::ZSTD(ZstdLevel::try_new(15).unwrap_or_default()),
        }
    }
}

/// A file that was written completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Path below the storage's root.
    pub path: String,
    /// Number of rows, if it is a table.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Writes batches to a Parquet file.
pub struct TableWriter {
    groups: RowGroups,
    coalescer: BatchCoalescer,
    path: String,
    shown: String,
    rows: u64,
}

impl TableWriter {
    /// A writer of `path`, with key-value metadata for the footer.
    ///
    /// # Errors
    /// If Parquet cannot store a column of the schema.
    pub fn new(
        storage: &Storage,
        path: &str,
        schema: &SchemaRef,
        metadata: &[(&str, String)],
        effort: Effort,
    ) -> Result<Self> {
        let upload = Upload::new(storage.store().clone(), storage.path(path));
        let shown = storage.shown(path);
        let schema = &with_metadata(schema, metadata);
        let groups = properties(schema, metadata, effort)
            .and_then(|properties| RowGroups::new(schema.clone(), properties, ROW_GROUP_ROWS, upload));
        let groups = groups.map_err(|e| failed(&shown, e))?;
        let coalescer = BatchCoalescer::new(schema.clone(), BATCH_ROWS);
        Ok(Self { groups, coalescer, path: path.to_owned(), shown, rows: 0 })
    }

    /// Writes rows, whose columns must be those of the schema in its order.
    ///
    /// # Errors
    /// If the columns differ, or the store fails.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let batch = RecordBatch::try_new(self.coalescer.schema(), batch.columns().to_vec());
        let pushed = batch.and_then(|batch| self.coalescer.push_batch(batch));
        pushed.map_err(|e| failed(&self.shown, e.into()))?;
        self.encode().await
    }

    async fn encode(&mut self) -> Result<()> {
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.groups.push(batch).await.map_err(|e| failed(&self.shown, e))?;
        }
        Ok(())
    }

    /// Finishes the file. Until then nothing exists under its name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn finish(mut self) -> Result<Written> {
        self.coalescer.finish_buffered_batch().map_err(|e| failed(&self.shown, e.into()))?;
        self.encode().await?;
        let Uploaded { bytes, sha256 } = self.groups.finish().await.map_err(|e| failed(&self.shown, e))?;
        Ok(Written { path: self.path, rows: self.rows, bytes, sha256 })
    }
}

/// The schema with the footer's metadata: pyarrow shows only the metadata of the Arrow schema in the footer.
fn with_metadata(schema: &SchemaRef, metadata: &[(&str, String)]) -> SchemaRef {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Arc::new(schema.as_ref().clone().with_metadata(metadata))
}

fn failed(file: &str, e: ParquetError) -> Error {
    Error::new(ErrorKind::Io, "cannot write the table").at("file", file).source(e)
}

/// Compression; byte stream split for floats; delta encoding for sorted columns; pages that can be skipped.
fn properties(schema: &Schema, metadata: &[(&str, String)], effort: Effort) -> Result<WriterProperties, ParquetError> {
    let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let mut builder = WriterProperties::builder()
        .set_compression(effort.compression())
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_created_by(concat!("lamcat ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(pairs.collect()));
    if effort == Effort::Working {
        // Rows are selected by position alone, and the page index of every unit is held in memory.
        builder = builder.set_data_page_row_count_limit(WORKING_PAGE_ROWS);
        builder = builder.set_statistics_enabled(EnabledStatistics::Chunk);
        builder = builder.set_column_statistics_enabled(HEALPIX_COLUMN.into(), EnabledStatistics::Page);
    }
    for column in [HEALPIX_COLUMN, ID_COLUMN] {
        if schema.field_with_name(column).is_ok_and(|field| field.data_type().is_integer()) {
            builder = builder.set_column_dictionary_enabled(column.into(), false);
            builder = builder.set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    if schema.fields().first().is_some_and(|field| field.name() == HEALPIX_COLUMN) {
        let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
        builder = builder.set_sorting_columns(Some(vec![sorted]));
    }
    // Row groups without NaN keep the statistics of their floats: these are correct, and readers use them to find
    // positions.
    Ok(with_floats_split(builder, schema)?.build())
}

/// A file without rows: the schema and the metadata.
///
/// # Errors
/// If Parquet cannot store a column of the schema.
pub fn schema_file(schema: &SchemaRef, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let schema = &with_metadata(schema, metadata);
    let named = |e| failed("_common_metadata", e);
    let properties = properties(schema, metadata, Effort::Published).map_err(named)?;
    let mut bytes = Vec::new();
    let writer = datafusion::parquet::arrow::ArrowWriter::try_new(&mut bytes, Arc::clone(schema), Some(properties));
    writer.map_err(named)?.close().map_err(named)?;
    Ok(bytes)
}
