//! Summary statistics of a release: the median of each column, missing values, flags. The leaves are read once.

use std::collections::{BTreeMap, BTreeSet};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int32Type, Schema, SchemaRef},
};
use datafusion::{
    common::runtime::SpawnedTask,
    parquet::{arrow::ProjectionMask, errors::ParquetError},
};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{assemble::Manifest, dataset, paths, quantiles::Quantiles, storage::Storage};

/// The column of flags, whose bits say what is unusual about a row.
pub const FLAGS_COLUMN: &str = "quality_flags";
/// Number of bits of a flag.
pub const FLAG_BITS: usize = 32;

/// Summary statistics of a release.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Rows of the main catalogue.
    pub rows: u64,
    /// The requested columns, by name.
    pub columns: BTreeMap<String, ColumnSummary>,
    /// Number of rows with each bit of `quality_flags`; empty if there is no such column.
    pub flags: Vec<u64>,
    /// Rows with at least one bit that is not harmless.
    pub flagged: u64,
}

/// Summary statistics of a column.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Rows without a value: NULL, NaN, an empty text, or a list of nothing else.
    pub missing: u64,
    /// Median of the finite values; `None` if the column is not numeric or has no finite values.
    pub median: Option<f64>,
}

/// The statistics to compute for a release.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Names of columns; those that the release does not have are left out.
    pub columns: BTreeSet<String>,
    /// Whether flags are to be counted.
    pub flags: bool,
    /// Bits of `quality_flags` that do not make a row count as flagged.
    pub harmless_flags: i32,
}

/// The columns of a release's main catalogue.
///
/// # Errors
/// If the schema file cannot be read.
pub async fn schema(storage: &Storage, folder: &str, name: &str) -> Result<SchemaRef> {
    let file = format!("{folder}/{name}/{}", paths::COMMON_METADATA);
    Ok(dataset::open(storage, &file).await?.schema().clone())
}

/// The leaves of a release's main catalogue, as paths relative to the store's root.
#[must_use]
pub fn leaves(manifest: &Manifest, folder: &str) -> Vec<String> {
    manifest.tiles().into_iter().map(|(_, leaf)| format!("{folder}/{leaf}")).collect()
}

/// Computes the summary statistics of the release in `folder`.
///
/// # Errors
/// If a leaf cannot be read.
pub async fn summarise(storage: &Storage, folder: &str, manifest: &Manifest, wanted: &Wanted) -> Result<Summary> {
    let mut all = Counts::default();
    if !wanted.columns.is_empty() || wanted.flags {
        let leaves = leaves(manifest, folder).into_iter().map(|leaf| {
            let (storage, wanted) = (storage.clone(), wanted.clone());
            SpawnedTask::spawn(async move { Counts::of(&storage, &leaf, &wanted).await }).join()
        });
        let lost = |e| Error::new(ErrorKind::Internal, "a leaf's reader ended before its time").source(e);
        let mut counted = futures::stream::iter(leaves).buffered(dataset::tables_at_once());
        while let Some(counts) = counted.try_next().await.map_err(lost)? {
            all.merge(counts?);
        }
    }
    let columns = all.columns.into_iter().map(|(name, (missing, values))| {
        (name, ColumnSummary { missing, median: values.median_and_scatter().map(|(median, _)| median) })
    });
    Ok(Summary { rows: manifest.rows, columns: columns.collect(), flags: all.flags, flagged: all.flagged })
}

/// The statistics of the leaves read so far.
#[derive(Default)]
struct Counts {
    /// For each column, the number of missing values and the finite values.
    columns: BTreeMap<String, (u64, Quantiles)>,
    flags: Vec<u64>,
    flagged: u64,
}

impl Counts {
    async fn of(storage: &Storage, leaf: &str, wanted: &Wanted) -> Result<Self> {
        let damaged = |e: ParquetError| dataset::damaged(storage, leaf, e);
        let reader = dataset::open(storage, leaf).await?;
        let schema = reader.schema().clone();
        let is_wanted =
            |name: &String| wanted.columns.contains(name) || (wanted.flags && name.as_str() == FLAGS_COLUMN);
        let roots = schema.fields().iter().enumerate().filter(|(_, field)| is_wanted(field.name())).map(|(i, _)| i);
        let mask = ProjectionMask::roots(reader.parquet_schema(), roots);
        let mut batches = reader.with_projection(mask).build().map_err(damaged)?;
        let mut counts = Self::default();
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            counts.add(&batch, wanted).map_err(|e| e.at("file", storage.shown(leaf)))?;
        }
        Ok(counts)
    }

    fn add(&mut self, batch: &RecordBatch, wanted: &Wanted) -> Result<()> {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if wanted.columns.contains(field.name()) {
                let (missing, values) = self.columns.entry(field.name().clone()).or_default();
                *missing += count_missing(column)?;
                if field.data_type().is_numeric() {
                    as_floats(column)?.iter().flatten().for_each(|value| values.add(*value));
                }
            }
        }
        let flags = batch.column_by_name(FLAGS_COLUMN).and_then(|c| c.as_primitive_opt::<Int32Type>());
        if let Some(flags) = flags.filter(|_| wanted.flags) {
            self.flags.resize(FLAG_BITS, 0);
            for value in flags.iter().flatten() {
                count_bits(value, &mut self.flags);
                self.flagged += u64::from(value & !wanted.harmless_flags != 0);
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (name, (missing, values)) in other.columns {
            let own = self.columns.entry(name).or_default();
            own.0 += missing;
            own.1.merge(&values);
        }
        if !other.flags.is_empty() {
            self.flags.resize(FLAG_BITS, 0);
            self.flags.iter_mut().zip(other.flags).for_each(|(own, more)| *own += more);
        }
        self.flagged += other.flagged;
    }
}

/// Counts the set bits of a flag.
pub fn count_bits(flags: i32, counts: &mut [u64]) {
    counts.iter_mut().enumerate().for_each(|(bit, count)| *count += u64::from(flags >> bit & 1 == 1));
}

/// The numbers of a column as floats; NULL stays `None`.
///
/// # Errors
/// If the column is not numeric.
pub fn as_floats(column: &ArrayRef) -> Result<Vec<Option<f64>>> {
    let failed = |e| Error::new(ErrorKind::Input, "a column cannot be read as numbers").source(e);
    Ok(cast(column, &DataType::Float64).map_err(failed)?.as_primitive::<Float64Type>().iter().collect())
}

fn count_missing(column: &ArrayRef) -> Result<u64> {
    let missing = match column.data_type() {
        t if t.is_floating() => as_floats(column)?.iter().filter(|v| v.is_none_or(f64::is_nan)).count(),
        DataType::Utf8 => column.as_string::<i32>().iter().filter(|v| v.is_none_or(str::is_empty)).count(),
        DataType::FixedSizeList(item, _) if item.data_type().is_floating() => {
            let lists = column.as_fixed_size_list();
            let mut empty = 0;
            for row in 0..lists.len() {
                let nothing =
                    lists.is_null(row) || as_floats(&lists.value(row))?.iter().all(|v| v.is_none_or(f64::is_nan));
                empty += usize::from(nothing);
            }
            empty
        }
        _ => column.null_count(),
    };
    Ok(missing as u64)
}

/// Names of the floating-point columns.
pub(super) fn float_columns(schema: &Schema) -> BTreeSet<String> {
    let floats = schema.fields().iter().filter(|field| field.data_type().is_floating());
    floats.map(|field| field.name().clone()).collect()
}
