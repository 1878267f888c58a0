//! Removes NaN from the statistics in footers. The format forbids it, but some writers store it; compared with NaN no
//! number is equal, so all rows would be skipped.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use datafusion::{
    common::Result,
    datasource::{listing::PartitionedFile, physical_plan::parquet::ParquetFileReaderFactory},
    parquet::{
        arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
        errors::Result as ParquetResult,
        file::{
            metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData},
            page_index::column_index::ColumnIndexMetaData,
            statistics::Statistics,
        },
    },
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use futures::{FutureExt, future::BoxFuture};
use half::f16;
use lamcat_core::outputs::is_float;

/// Writers whose page statistics are known to consist of numbers only.
const CAREFUL_WRITERS: [&str; 2] = ["lamcat ", "parquet-rs "];

/// Makes readers that remove NaN statistics from the footers of files.
#[derive(Debug)]
pub(super) struct CarefulReaders(pub(super) Arc<dyn ParquetFileReaderFactory>);

impl ParquetFileReaderFactory for CarefulReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        Ok(Box::new(CarefulReader(self.0.create_reader(partition, file, footer_bytes, metrics)?)))
    }
}

struct CarefulReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for CarefulReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move { without_nan(self.0.get_metadata(options).await?) }.boxed()
    }
}

/// Returns the footer without statistics of floats that are NaN, and without page statistics of floats unless the
/// writer is known.
fn without_nan(footer: Arc<ParquetMetaData>) -> ParquetResult<Arc<ParquetMetaData>> {
    let writer = footer.file_metadata().created_by().unwrap_or_default();
    let is_careful = CAREFUL_WRITERS.iter().any(|careful| writer.starts_with(careful));
    let is_bad = |column: &ColumnChunkMetaData| {
        is_float(column.column_descr())
            && (column.statistics().is_some_and(is_nan) || !is_careful && column.column_index_offset().is_some())
    };
    if !footer.row_groups().iter().flat_map(RowGroupMetaData::columns).any(is_bad) {
        return Ok(footer);
    }
    let mut index = footer.column_index().cloned();
    let mut groups = Vec::with_capacity(footer.num_row_groups());
    for (number, group) in footer.row_groups().iter().enumerate() {
        let mut columns = group.columns().to_vec();
        for (place, column) in columns.iter_mut().enumerate().filter(|(_, column)| is_bad(column)) {
            let mut builder = column.clone().into_builder().set_column_index_offset(None).set_column_index_length(None);
            if column.statistics().is_some_and(is_nan) {
                builder = builder.clear_statistics();
            }
            *column = builder.build()?;
            if let Some(pages) = index.as_mut().and_then(|index| index.get_mut(number)?.get_mut(place)) {
                *pages = ColumnIndexMetaData::NONE;
            }
        }
        groups.push(group.clone().into_builder().set_column_metadata(columns).build()?);
    }
    let footer = footer.as_ref().clone().into_builder().set_row_groups(groups).set_column_index(index);
    Ok(Arc::new(footer.build()))
}

fn is_nan(statistics: &Statistics) -> bool {
    fn any<T>(min: Option<&T>, max: Option<&T>, is_nan: impl Fn(&T) -> bool) -> bool {
        min.is_some_and(&is_nan) || max.is_some_and(&is_nan)
    }
    match statistics {
        Statistics::Float(values) => any(values.min_opt(), values.max_opt(), |v| v.is_nan()),
        Statistics::Double(values) => any(values.min_opt(), values.max_opt(), |v| v.is_nan()),
        // Among the columns that get here only half-precision floats have this type.
        Statistics::FixedLenByteArray(values) => any(values.min_opt(), values.max_opt(), |v| {
            v.data().first_chunk().is_some_and(|bytes| f16::from_le_bytes(*bytes).is_nan())
        }),
        _ => false,
    }
}
