//! Parquet files as releases have them: encoded alike whatever batches the rows come in, with their hash.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    compute::BatchCoalescer,
    datatypes::{DataType, Schema, SchemaRef},
};
use bytes::Bytes;
use datafusion::parquet::{
    arrow::{AsyncArrowWriter, async_writer::AsyncFileWriter},
    basic::{Compression, Encoding, ZstdLevel},
    errors::{ParquetError, Result as ParquetResult},
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
    },
    schema::types::ColumnPath,
};
use futures::future::BoxFuture;
use object_store::buffered::BufWriter;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{catalogue::HEALPIX_COLUMN, storage::Storage};
use crate::error::{Error, ErrorKind, Result};

/// Rows to a row group.
const ROW_GROUP_ROWS: usize = 100_000;
/// Bytes to a page.
const PAGE_BYTES: usize = 128 << 10;
/// Most rows of a page of working files: of each of many units a tile takes few rows, and pages are read whole.
const WORKING_PAGE_ROWS: usize = 1024;
/// Rows encoded at once: equal batches make equal files, however the rows came.
const BATCH_ROWS: usize = 8192;
/// Bytes of a part of an upload.
const PART_BYTES: usize = 8 << 20;

/// How hard a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// For what is read once and deleted.
    Working,
    /// For what is published.
    Published,
}

impl Effort {
    fn zstd_level(self) -> i32 {
        match self {
            Self::Working => 1,
            Self::Published => 15,
        }
    }
}

/// A file that was written whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Path below the storage's root.
    pub path: String,
    /// Rows, if it is a table.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Writes batches to a Parquet file.
pub struct TableWriter {
    writer: AsyncArrowWriter<Hashed>,
    coalescer: BatchCoalescer,
    path: String,
    shown: String,
    rows: u64,
}

impl TableWriter {
    /// A writer of `path`, with key-value metadata for the footer.
    ///
    /// # Errors
    /// If Parquet cannot have a column of the schema.
    pub fn new(
        storage: &Storage,
        path: &str,
        schema: &SchemaRef,
        metadata: &[(&str, String)],
        effort: Effort,
    ) -> Result<Self> {
        let upload = BufWriter::with_capacity(storage.store().clone(), storage.path(path), PART_BYTES);
        let hashed = Hashed { upload, hash: Sha256::new(), bytes: 0 };
        let shown = storage.shown(path);
        let schema = &with_metadata(schema, metadata);
        let writer = AsyncArrowWriter::try_new(hashed, schema.clone(), Some(properties(schema, metadata, effort)));
        let writer = writer.map_err(|e| failed(&shown, e))?;
        let coalescer = BatchCoalescer::new(schema.clone(), BATCH_ROWS);
        Ok(Self { writer, coalescer, path: path.to_owned(), shown, rows: 0 })
    }

    /// Writes rows; their columns are those of the schema in its order.
    ///
    /// # Errors
    /// If the columns are not, or the store fails.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let batch = RecordBatch::try_new(self.coalescer.schema(), batch.columns().to_vec());
        let pushed = batch.and_then(|batch| self.coalescer.push_batch(batch));
        pushed.map_err(|e| failed(&self.shown, e.into()))?;
        self.encode().await
    }

    async fn encode(&mut self) -> Result<()> {
        while let Some(batch) = self.coalescer.next_completed_batch() {
            self.writer.write(&batch).await.map_err(|e| failed(&self.shown, e))?;
        }
        Ok(())
    }

    /// Ends the file. Until then there is nothing under its name.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn finish(mut self) -> Result<Written> {
        self.coalescer.finish_buffered_batch().map_err(|e| failed(&self.shown, e.into()))?;
        self.encode().await?;
        self.writer.finish().await.map_err(|e| failed(&self.shown, e))?;
        let hashed = self.writer.into_inner();
        let sha256 = format!("{:x}", hashed.hash.finalize());
        Ok(Written { path: self.path, rows: self.rows, bytes: hashed.bytes, sha256 })
    }
}

/// The schema with the footer's metadata: pyarrow shows only what the Arrow schema in the footer has.
fn with_metadata(schema: &SchemaRef, metadata: &[(&str, String)]) -> SchemaRef {
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Arc::new(schema.as_ref().clone().with_metadata(metadata))
}

fn failed(file: &str, e: ParquetError) -> Error {
    Error::new(ErrorKind::Io, "cannot write the table").at("file", file).source(e)
}

/// Zstandard; floats by bytes of like significance; what is sorted as differences; pages that can be skipped.
fn properties(schema: &Schema, metadata: &[(&str, String)], effort: Effort) -> WriterProperties {
    // The levels are constants within zstd's 1 to 22.
    let level = ZstdLevel::try_new(effort.zstd_level()).unwrap_or_default();
    let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone()));
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_created_by(concat!("lamcat ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(pairs.collect()));
    if effort == Effort::Working {
        builder = builder.set_data_page_row_count_limit(WORKING_PAGE_ROWS);
    }
    for (i, field) in schema.fields().iter().enumerate() {
        let (path, values) = match field.data_type() {
            DataType::FixedSizeList(item, _) => {
                let parts = vec![field.name().clone(), "list".to_owned(), item.name().clone()];
                (ColumnPath::new(parts), item.data_type())
            }
            other => (ColumnPath::from(field.name().as_str()), other),
        };
        if values.is_floating() {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            builder = builder.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT);
        } else if field.name() == HEALPIX_COLUMN || field.name() == "source_id" {
            builder = builder.set_column_dictionary_enabled(path.clone(), false);
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
        if i == 0 && field.name() == HEALPIX_COLUMN {
            let sorted = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
            builder = builder.set_sorting_columns(Some(vec![sorted]));
        }
    }
    builder.build()
}

/// An upload that hashes what goes through it.
struct Hashed {
    upload: BufWriter,
    hash: Sha256,
    bytes: u64,
}

impl AsyncFileWriter for Hashed {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, ParquetResult<()>> {
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        AsyncFileWriter::write(&mut self.upload, bytes)
    }

    fn complete(&mut self) -> BoxFuture<'_, ParquetResult<()>> {
        AsyncFileWriter::complete(&mut self.upload)
    }
}

/// A file without rows: the schema and the metadata.
///
/// # Errors
/// If Parquet cannot have a column of the schema.
pub fn schema_file(schema: &SchemaRef, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let schema = &with_metadata(schema, metadata);
    let properties = properties(schema, metadata, Effort::Published);
    let mut bytes = Vec::new();
    let named = |e| failed("_common_metadata", e);
    let writer = datafusion::parquet::arrow::ArrowWriter::try_new(&mut bytes, Arc::clone(schema), Some(properties));
    writer.map_err(named)?.close().map_err(named)?;
    Ok(bytes)
}
