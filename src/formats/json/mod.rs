//! Reads JSON: one object per row, each on its own line or all in one array.

mod text;

use std::{
    io::{BufReader, Read},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    json::{ReaderBuilder, reader::infer_json_schema_from_iterator},
};
use lamcat_core::error::{Error, ErrorKind, Result};
use serde_json::{Deserializer, Value};
use text::JsonText;

/// Number of bytes of text that are parsed at once.
const TEXT_BYTES: usize = 1 << 18;

/// Returns the columns of a file from its first `rows` rows; a column without a value in them has type Null.
///
/// # Errors
/// If it is not JSON, or an object has a key twice.
pub(super) fn infer(bytes: impl Read + Send + 'static, rows: usize) -> Result<Schema> {
    let text = BufReader::with_capacity(TEXT_BYTES, JsonText::new(bytes)?);
    let values = Deserializer::from_reader(text).into_iter::<Value>().take(rows);
    let in_arrow = |e: serde_json::Error| {
        if e.is_io() { std::io::Error::from(e).into() } else { ArrowError::JsonError(e.to_string()) }
    };
    let values = values.map(|value| value.map_err(in_arrow));
    infer_json_schema_from_iterator(values).map_err(failed)
}

/// Returns the rows with the columns of `schema`, in batches of at most `rows`. A key that an object lacks is NULL.
///
/// # Errors
/// If it is not JSON, an object has a key twice, or a value does not have its column's type.
pub(super) fn batches<B: Read + Send + 'static>(
    bytes: B,
    schema: &SchemaRef,
    rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<B>> {
    let text = BufReader::with_capacity(TEXT_BYTES, JsonText::new(bytes)?);
    let reader = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows).build(text).map_err(failed)?;
    Ok(reader.map(|batch| batch.map_err(failed)))
}

fn failed(e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, e) => {
            e.downcast::<Error>().unwrap_or_else(|e| Error::new(ErrorKind::Io, "cannot read the file").source(e))
        }
        other => {
            Error::new(ErrorKind::Input, "the file is not JSON, or has other values than its columns").source(other)
        }
    }
}
