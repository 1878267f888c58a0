//! Encodes Parquet row groups one column at a time.
//!
//! At the compression levels of published files, a zstd compressor takes megabytes. A writer that encodes rows as they
//! arrive has one compressor for every column; this one keeps the rows of a row group and has a single compressor.
//! Encoded data is uploaded at once.

use std::{
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Float16Type, Float32Type, Float64Type, SchemaRef},
};
use datafusion::parquet::{
    arrow::{
        ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata,
        arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
    errors::{ParquetError, Result},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
};

use half::f16;

use super::upload::{Upload, Uploaded};

/// A file that is being written, with the rows of its next row group.
pub(super) struct RowGroups {
    file: SerializedFileWriter<Outbox>,
    outbox: Outbox,
    upload: Upload,
    columns: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    most: usize,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl RowGroups {
    /// A file with row groups of at most `most` rows.
    ///
    /// # Errors
    /// If Parquet cannot store a column of the schema.
    pub(super) fn new(
        schema: SchemaRef,
        mut properties: WriterProperties,
        most: usize,
        upload: Upload,
    ) -> Result<Self> {
        let parquet = ArrowSchemaConverter::new().with_coerce_types(properties.coerce_types()).convert(&schema)?;
        add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let outbox = Outbox::default();
        let file = SerializedFileWriter::new(outbox.clone(), parquet.root_schema_ptr(), Arc::new(properties))?;
        let columns = ArrowRowGroupWriterFactory::new(&file, schema.clone());
        Ok(Self { file, outbox, upload, columns, schema, most, waiting: Vec::new(), rows: 0 })
    }

    /// Adds rows, and writes each row group that they fill.
    ///
    /// # Errors
    /// If the rows cannot be encoded or the store fails.
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

    /// Finishes the file.
    ///
    /// # Errors
    /// If the last rows cannot be encoded or the store fails.
    pub(super) async fn finish(mut self) -> Result<Uploaded> {
        if !self.waiting.is_empty() {
            self.encode().await?;
        }
        self.file.finish()?;
        self.upload.put(self.outbox.take()).await?;
        self.upload.finish().await
    }

    /// Encodes the waiting rows; each column is dropped as soon as it is encoded.
    async fn encode(&mut self) -> Result<()> {
        let arrays = self.take_columns();
        let mut leaves = self.columns.create_column_writers(self.file.flushed_row_groups().len())?.into_iter();
        let mut group = self.file.next_row_group()?;
        for (field, arrays) in self.schema.fields().iter().zip(arrays) {
            let mut writers: Vec<ArrowColumnWriter> = Vec::new();
            let mut is_misleading = false;
            for array in arrays {
                is_misleading |= has_nan(&array);
                for (number, leaf) in compute_leaves(field, &array)?.iter().enumerate() {
                    if number == writers.len() {
                        let none = || ParquetError::General(format!("{} has too many leaves", field.name()));
                        writers.push(leaves.next().ok_or_else(none)?);
                    }
                    writers[number].write(leaf)?;
                }
            }
            for writer in writers {
                let mut chunk = writer.close()?;
                if is_misleading {
                    let close = chunk.close_mut();
                    close.metadata = close.metadata.clone().into_builder().clear_statistics().build()?;
                    close.column_index = None;
                }
                chunk.append_to_row_group(&mut group)?;
            }
            self.upload.put(self.outbox.take()).await?;
            // Encoding a row group takes a second; other tasks need to run meanwhile.
            tokio::task::yield_now().await;
        }
        group.close()?;
        Ok(())
    }

    /// Takes the waiting rows, by column.
    fn take_columns(&mut self) -> Vec<Vec<ArrayRef>> {
        let rows = std::mem::take(&mut self.waiting);
        self.rows = 0;
        let of = |column| rows.iter().map(|batch| batch.column(column).clone()).collect();
        (0..self.schema.fields().len()).map(of).collect()
    }
}

/// Whether a column, or the lists in it, contain a NaN. The minimum and maximum of such a column would ignore NaN,
/// while most engines treat NaN as greater than every number.
fn has_nan(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().any(f32::is_nan),
        DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().any(f64::is_nan),
        DataType::Float16 => array.as_primitive::<Float16Type>().iter().flatten().any(f16::is_nan),
        DataType::FixedSizeList(..) => has_nan(array.as_fixed_size_list().values()),
        DataType::List(_) => array.as_list::<i32>().iter().flatten().any(|list| has_nan(&list)),
        DataType::Struct(_) => array.as_struct().columns().iter().any(has_nan),
        _ => false,
    }
}

/// Bytes of the file that are not uploaded yet. They are shared, because the writer of a row group borrows the writer
/// of the file, and with it the only access to them.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.bytes())
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{FixedSizeListArray, Float32Array, Float64Array, Int64Array, StringArray},
        datatypes::{DataType, Field},
    };
    use datafusion::parquet::{
        arrow::ArrowWriter,
        file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader},
    };
    use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
    use sha2::{Digest, Sha256};

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
        let (store, path) = (Arc::new(InMemory::new()), Path::from("rows.parquet"));
        for rows in [vec![], vec![40, 40, 40], vec![250], vec![99, 1, 100, 0, 3]] {
            let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
            let schema = batch(0, 1).schema();
            let mut usual = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties())).unwrap();
            let upload = Upload::new(store.clone(), path.clone());
            let (mut groups, mut start) = (RowGroups::new(schema, properties(), 100, upload).unwrap(), 0);
            for rows in &rows {
                usual.write(&batch(start, *rows)).unwrap();
                groups.push(batch(start, *rows)).await.unwrap();
                start += rows;
            }
            let uploaded = groups.finish().await.unwrap();
            let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
            assert_eq!(bytes, usual.into_inner().unwrap(), "{rows:?}");
            assert_eq!(uploaded.bytes, bytes.len() as u64);
            assert_eq!(uploaded.sha256, format!("{:x}", Sha256::digest(&bytes)));
        }
    }

    #[tokio::test]
    async fn row_groups_with_nan_say_nothing_of_their_floats() {
        let (store, path) = (Arc::new(InMemory::new()), Path::from("rows.parquet"));
        let rows = |x: [f64; 2], second: f32| {
            let item = Arc::new(Field::new("item", DataType::Float32, true));
            let list = FixedSizeListArray::new(item, 1, Arc::new(Float32Array::from(vec![0.5, second])), None);
            let columns: [(&str, ArrayRef); 3] = [
                ("id", Arc::new(Int64Array::from(vec![1, 2]))),
                ("x", Arc::new(Float64Array::from(x.to_vec()))),
                ("list", Arc::new(list)),
            ];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let groups = [rows([1.0, 2.0], 1.0), rows([1.0, f64::NAN], 1.0), rows([1.0, 2.0], f32::NAN)];
        let upload = Upload::new(store.clone(), path.clone());
        let mut file = RowGroups::new(groups[0].schema(), WriterProperties::default(), 2, upload).unwrap();
        for group in groups {
            file.push(group).await.unwrap();
        }
        file.finish().await.unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        let footer = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
        let said = footer.row_groups().iter().map(|group| {
            let said = |c: &ColumnChunkMetaData| (c.statistics().is_some(), c.column_index_offset().is_some());
            group.columns().iter().map(said).collect::<Vec<_>>()
        });
        let (yes, no) = ((true, true), (false, false));
        assert_eq!(said.collect::<Vec<_>>(), [[yes, yes, yes], [yes, no, yes], [yes, yes, no]]);
    }
}
