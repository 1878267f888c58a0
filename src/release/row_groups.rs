//! Parquet's row groups, encoded a column at a time.
//!
//! A compressor of zstd takes megabytes at the levels that published files have. A writer that takes rows as they come has
//! one for every column; this one keeps the rows of a row group and has one.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::parquet::{
    arrow::{
        ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata,
        arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
    errors::{ParquetError, Result},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
};

/// A file in the making: the rows of the row group to come, and bytes that nobody has taken yet.
pub(super) struct RowGroups {
    file: SerializedFileWriter<Vec<u8>>,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    most: usize,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl RowGroups {
    /// A file of row groups of at most `most` rows.
    ///
    /// # Errors
    /// If Parquet cannot have a column of the schema.
    pub(super) fn new(schema: SchemaRef, mut properties: WriterProperties, most: usize) -> Result<Self> {
        let parquet = ArrowSchemaConverter::new().with_coerce_types(properties.coerce_types()).convert(&schema)?;
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let file = SerializedFileWriter::new(Vec::new(), parquet.root_schema_ptr(), Arc::new(properties))?;
        let columns = ArrowRowGroupWriterFactory::new(&file, schema.clone());
        Ok(Self { file, columns, schema, most, waiting: Vec::new(), rows: 0 })
    }

    /// Adds rows, and encodes what fills a row group.
    ///
    /// # Errors
    /// If the rows cannot be encoded.
    pub(super) async fn push(&mut self, mut batch: RecordBatch) -> Result<()> {
        while self.rows + batch.num_rows() >= self.most {
            let fit = self.most - self.rows;
            self.waiting.push(batch.slice(0, fit));
            batch = batch.slice(fit, batch.num_rows() - fit);
            self.encode().await?;
        }
        if batch.num_rows() > 0 {
            self.rows += batch.num_rows();
            self.waiting.push(batch);
        }
        Ok(())
    }

    /// The bytes since they were last taken.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.file.inner_mut())
    }

    /// Ends the file; its last bytes are still to be taken.
    ///
    /// # Errors
    /// If the last rows cannot be encoded.
    pub(super) async fn finish(&mut self) -> Result<()> {
        if !self.waiting.is_empty() {
            self.encode().await?;
        }
        self.file.finish()?;
        Ok(())
    }

    async fn encode(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        self.rows = 0;
        let mut leaves = self.columns.create_column_writers(self.file.flushed_row_groups().len())?.into_iter();
        let mut chunks = Vec::new();
        for (column, field) in self.schema.fields().iter().enumerate() {
            let mut writers: Vec<ArrowColumnWriter> = Vec::new();
            for batch in &rows {
                for (number, leaf) in compute_leaves(field, batch.column(column))?.iter().enumerate() {
                    if number == writers.len() {
                        let none = || ParquetError::General(format!("{} has too many leaves", field.name()));
                        writers.push(leaves.next().ok_or_else(none)?);
                    }
                    writers[number].write(leaf)?;
                }
            }
            for writer in writers {
                chunks.push(writer.close()?);
            }
            // A row group takes a second; others want to go on meanwhile.
            tokio::task::yield_now().await;
        }
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, StringArray},
        datatypes::{DataType, Field},
    };
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let numbers = start..start + rows;
        let values = Float32Array::from_iter_values((3 * start..3 * (start + rows)).map(|i| (i as f32).sin()));
        let item = Arc::new(Field::new("item", DataType::Float32, true));
        let columns: [(&str, ArrayRef); 4] = [
            ("id", Arc::new(Int64Array::from_iter_values(numbers.clone()))),
            ("x", Arc::new(numbers.clone().map(|i| (i % 7 > 0).then_some(i as f32)).collect::<Float32Array>())),
            ("name", Arc::new(StringArray::from_iter_values(numbers.map(|i| format!("star {}", i % 11))))),
            ("list", Arc::new(FixedSizeListArray::new(item, 3, Arc::new(values), None))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[tokio::test]
    async fn the_bytes_are_those_of_the_usual_writer() {
        for rows in [vec![], vec![40, 40, 40], vec![250], vec![99, 1, 100, 0, 3]] {
            let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
            let schema = batch(0, 1).schema();
            let mut usual = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties())).unwrap();
            let mut groups = RowGroups::new(schema, properties(), 100).unwrap();
            let (mut bytes, mut start) = (Vec::new(), 0);
            for rows in &rows {
                usual.write(&batch(start, *rows)).unwrap();
                groups.push(batch(start, *rows)).await.unwrap();
                bytes.extend(groups.take());
                start += rows;
            }
            groups.finish().await.unwrap();
            bytes.extend(groups.take());
            assert_eq!(bytes, usual.into_inner().unwrap(), "{rows:?}");
        }
    }
}
