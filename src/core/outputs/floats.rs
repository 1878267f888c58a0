//! The encoding of floats in lamcat's Parquet files.
//!
//! - Floats are encoded with BYTE_STREAM_SPLIT and without a dictionary, because floats rarely repeat.
//! - Floats have no minimum and maximum statistics. These leave out NaN, while most engines treat NaN as greater than
//!   every number: with them a reader would skip rows with NaN that its filter asks for.

use arrow::datatypes::Schema;
use datafusion::{
    config::{ParquetColumnOptions, TableParquetOptions},
    parquet::{
        arrow::ArrowSchemaConverter,
        basic::{Encoding, LogicalType, Type},
        errors::Result,
        file::properties::{EnabledStatistics, WriterPropertiesBuilder},
        schema::types::{ColumnDescriptor, ColumnPath},
    },
};

/// Whether a column of a Parquet file holds floats.
#[must_use]
pub fn is_float(column: &ColumnDescriptor) -> bool {
    matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE)
        || column.logical_type_ref().is_some_and(|t| *t == LogicalType::Float16)
}

/// Returns the float columns, including elements of lists and fields of structs.
fn float_columns(schema: &Schema) -> Result<Vec<ColumnPath>> {
    let parquet = ArrowSchemaConverter::new().convert(schema)?;
    Ok(parquet.columns().iter().filter(|column| is_float(column)).map(|column| column.path().clone()).collect())
}

/// Returns a writer's properties with this encoding for the floats of `schema`; their statistics are left to the
/// caller.
///
/// # Errors
/// If Parquet cannot represent a column of the schema.
pub fn with_floats_split(mut properties: WriterPropertiesBuilder, schema: &Schema) -> Result<WriterPropertiesBuilder> {
    for column in float_columns(schema)? {
        properties = properties.set_column_dictionary_enabled(column.clone(), false);
        properties = properties.set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT);
    }
    Ok(properties)
}

/// Like [`with_floats_split`], and without statistics for floats.
///
/// # Errors
/// If Parquet cannot represent a column of the schema.
pub fn with_floats(properties: WriterPropertiesBuilder, schema: &Schema) -> Result<WriterPropertiesBuilder> {
    let mut properties = with_floats_split(properties, schema)?;
    for column in float_columns(schema)? {
        properties = properties.set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    Ok(properties)
}

/// Returns the same settings for the output of a query, except where its options already specify a column.
///
/// # Errors
/// If Parquet cannot represent a column of the schema.
pub fn options_with_floats(options: &TableParquetOptions, schema: &Schema) -> Result<TableParquetOptions> {
    let mut options = options.clone();
    let is_split = options.global.encoding.is_none();
    for column in float_columns(schema)? {
        if column.parts().iter().any(|part| part.contains('.')) {
            // An option names a column by its path, which is split at every dot.
            options.global.statistics_enabled = Some("none".to_owned());
        }
        let of_column: &mut ParquetColumnOptions = options.column_specific_options.entry(column.string()).or_default();
        of_column.statistics_enabled.get_or_insert_with(|| "none".to_owned());
        if is_split && of_column.encoding.is_none() {
            of_column.encoding = Some("byte_stream_split".to_owned());
            of_column.dictionary_enabled.get_or_insert(false);
        }
    }
    Ok(options)
}
