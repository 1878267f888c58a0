//! Writes the Parquet file: its encoding, and the note in its footer about how it was made.

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::parquet::{
    arrow::{ArrowSchemaConverter, AsyncArrowWriter},
    basic::{Compression, Encoding, Type, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader},
        properties::{WriterProperties, WriterPropertiesBuilder},
    },
};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs,
};
use lamcat_sql::session::{FoundFile, Place};
use object_store::{ObjectMeta, ObjectStoreExt, buffered::BufWriter};
use sha2::{Digest, Sha256};

use super::job::{FileJob, IngestOptions};

/// Footer key of a hash that identifies what the file was made from and how.
pub const FINGERPRINT: &str = "lamcat.ingest";
/// Must change whenever the same input gives different bytes.
const FORMAT: &str = "2";

/// Uncompressed bytes of rows that a row group should have, and the limits on its number of rows.
const ROW_GROUP_BYTES: usize = 32 << 20;
const ROW_GROUP_ROWS: (usize, usize) = (1024, 131_072);
/// Bytes of rows that are encoded at once. Equal batches make equal files, however the rows arrived.
const BATCH_BYTES: usize = 1 << 20;
/// Assumed number of elements of a list of unknown length.
const LIST_LENGTH: usize = 55;
/// Bytes of one part of an upload, and how many parts are uploaded at once.
const PART_BYTES: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 2;

/// A hash that identifies what a file is made from and how.
pub(super) fn fingerprint(job: &FileJob, options: &IngestOptions) -> String {
    let identity = |file: &FoundFile| {
        let object = &file.object;
        serde_json::json!([object.location.filename(), object.size, object.last_modified.timestamp_micros()])
    };
    let made = serde_json::json!({
        "format": FORMAT,
        "input": identity(&job.input),
        "md5": job.md5,
        "partner": job.partner.as_ref().map(identity),
        "columns": options.columns,
        "condition": options.condition,
        "join_columns": options.join_columns,
        "no_fold": options.no_fold,
        "on_error": format!("{:?}", options.on_error),
        "compression_level": options.compression_level,
    });
    format!("{:x}", Sha256::digest(made.to_string()))
}

/// What already exists under an output's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Existing {
    Nothing,
    /// The output of the same job.
    Same {
        rows: u64,
        bytes: u64,
    },
    /// A different file.
    Other,
}

/// Checks what exists under an output's name.
pub(super) async fn existing(output: &Place, fingerprint: &str) -> Result<Existing> {
    let failed = |e| Error::new(ErrorKind::Io, "cannot look at the output").at("path", &output.path).source(e);
    let object = match output.store.head(&output.path).await {
        Ok(object) => object,
        Err(object_store::Error::NotFound { .. }) => return Ok(Existing::Nothing),
        Err(e) => return Err(failed(e)),
    };
    let Some(metadata) = footer(output, &object).await.map_err(failed)? else { return Ok(Existing::Other) };
    let file = metadata.file_metadata();
    let written = file.key_value_metadata().into_iter().flatten().find(|kv| kv.key == FINGERPRINT);
    if written.is_some_and(|kv| kv.value.as_deref() == Some(fingerprint)) {
        return Ok(Existing::Same { rows: file.num_rows() as u64, bytes: object.size });
    }
    Ok(Existing::Other)
}

/// The footer of a file; `None` if it is not a Parquet file.
async fn footer(output: &Place, object: &ObjectMeta) -> object_store::Result<Option<ParquetMetaData>> {
    const TAIL: u64 = 8;
    let Some(tail_at) = object.size.checked_sub(TAIL) else { return Ok(None) };
    let tail = output.store.get_range(&object.location, tail_at..object.size).await?;
    let Some((length, b"PAR1")) = tail.split_first_chunk::<4>() else { return Ok(None) };
    let Some(at) = tail_at.checked_sub(u64::from(u32::from_le_bytes(*length))) else { return Ok(None) };
    let footer = output.store.get_range(&object.location, at..tail_at).await?;
    Ok(ParquetMetaDataReader::decode_metadata(&footer).ok())
}

/// Removes what a killed run left of an output on a local disk.
pub(super) fn remove_leftovers(output: &Place) {
    if let Ok(path) = output.url.to_file_path() {
        outputs::remove_leftovers(&path);
    }
}

/// Approximate bytes of a row in Arrow's memory format.
fn row_bytes(schema: &Schema) -> usize {
    fn bytes(data_type: &DataType) -> usize {
        match data_type {
            DataType::FixedSizeList(item, n) => *n as usize * bytes(item.data_type()),
            DataType::List(item) => LIST_LENGTH * bytes(item.data_type()),
            other => other.primitive_width().unwrap_or(16),
        }
    }
    schema.fields().iter().map(|f| bytes(f.data_type())).sum::<usize>().max(1)
}

/// Number of rows that are encoded at once.
pub(super) fn batch_rows(schema: &Schema) -> usize {
    (BATCH_BYTES / row_bytes(schema)).clamp(64, 8192)
}

/// A writer of the output; the file appears under its name only when the writer is closed.
pub(super) fn writer(
    output: &Place,
    schema: &SchemaRef,
    fingerprint: String,
    compression_level: i32,
) -> Result<AsyncArrowWriter<BufWriter>, ParquetError> {
    let upload = BufWriter::with_capacity(output.store.clone(), output.path.clone(), PART_BYTES)
        .with_max_concurrency(PARTS_AT_ONCE);
    let mut properties = properties(schema, compression_level)?;
    properties = properties.set_key_value_metadata(Some(vec![KeyValue::new(FINGERPRINT.to_owned(), fingerprint)]));
    AsyncArrowWriter::try_new(upload, schema.clone(), Some(properties.build()))
}

/// Delta encoding for integers; dictionaries only for strings.
fn properties(schema: &SchemaRef, compression_level: i32) -> Result<WriterPropertiesBuilder, ParquetError> {
    let group_rows = (ROW_GROUP_BYTES / row_bytes(schema)).clamp(ROW_GROUP_ROWS.0, ROW_GROUP_ROWS.1);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(compression_level)?))
        .set_created_by(format!("lamcat {}", env!("CARGO_PKG_VERSION")))
        .set_max_row_group_row_count(Some(group_rows))
        .set_dictionary_enabled(false);
    properties = outputs::with_floats(properties, schema)?;
    for column in ArrowSchemaConverter::new().convert(schema)?.columns() {
        let path = column.path().clone();
        properties = match column.physical_type() {
            Type::INT32 | Type::INT64 => properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
            Type::BYTE_ARRAY => properties.set_column_dictionary_enabled(path, true),
            _ => properties,
        };
    }
    Ok(properties)
}
