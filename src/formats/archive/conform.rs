//! Converts a file's batches to the table's columns.

use arrow::{
    array::{RecordBatch, RecordBatchOptions, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::SchemaRef,
};
use lamcat_core::error::{Error, ErrorKind, Result};

use crate::OnError;

/// Returns the columns of `schema`, by name: cast if the file's type differs, NULL if the file lacks them. A value that
/// does not fit is an error or becomes NULL.
pub(super) fn conform(batch: &RecordBatch, schema: &SchemaRef, on_error: OnError) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let columns = schema.fields().iter().map(|field| {
        let Some(column) = batch.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), rows));
        };
        if column.data_type() == field.data_type() {
            return Ok(column.clone());
        }
        let options = CastOptions { safe: on_error == OnError::Null, ..CastOptions::default() };
        cast_with_options(column, field.data_type(), &options).map_err(|e| {
            let message = format!("the column is {} here and {} in the table", column.data_type(), field.data_type());
            Error::new(ErrorKind::Input, message).at("column", field.name()).source(e)
        })
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| Error::new(ErrorKind::Input, "the file's columns do not fit the table's").source(e))
}
