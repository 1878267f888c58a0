//! Compares two releases: rows by their identifiers, columns, values of the sources that are in both, and flags.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int32Type, Int64Type, Schema},
};
use datafusion::{
    common::JoinType,
    error::DataFusionError,
    execution::memory_pool::MemoryLimit,
    prelude::{DataFrame, Expr, ParquetReadOptions, SessionContext, ident},
};
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::Serialize;

use super::{
    assemble::Manifest,
    bounded_context::MemoryBudget,
    catalogue::ID_COLUMN,
    quantiles::Quantiles,
    releases,
    storage::Storage,
    summary::{
        FLAG_BITS, FLAGS_COLUMN, Summary, Wanted, as_floats, count_bits, float_columns, leaves, schema, summarise,
    },
};

/// Bytes for each partition of the join, of which there is one per core, if the session has no memory limit.
const PART_BYTES: usize = 24 << 20;

/// The differences between two releases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The older release.
    pub old: Side,
    /// The newer one.
    pub new: Side,
    /// Sources of the newer release that are not in the older one.
    pub gained: u64,
    /// Sources of the older release that are not in the newer one.
    pub lost: u64,
    /// Sources in both.
    pub common: u64,
    /// Columns that differ: only one release has them, or their types differ.
    pub changed_columns: Vec<ColumnChange>,
    /// The floating-point columns that are in both.
    pub columns: Vec<ColumnDiff>,
    /// The flag bits that are set in any row.
    pub flags: Vec<FlagDiff>,
}

/// A release that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Version of the data.
    pub version: String,
    /// The folder of the release.
    pub folder: String,
    /// The number of its rows.
    pub rows: u64,
}

/// A column that only one release has, or that has another type in each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnChange {
    /// Its name.
    pub name: String,
    /// Its type in the older release; `None` if the column is not there.
    pub old: Option<String>,
    /// Its type in the newer release; `None` if the column is not there.
    pub new: Option<String>,
}

/// How the values of a column changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub name: String,
    /// Its unit; empty if it has none.
    pub unit: String,
    /// Median of all values of the older release.
    pub old_median: Option<f64>,
    /// Median of all values of the newer release.
    pub new_median: Option<f64>,
    /// Fraction of NULL and NaN values in the older release.
    pub old_missing: f64,
    /// Fraction of NULL and NaN values in the newer release.
    pub new_missing: f64,
    /// Sources with a finite value in both releases.
    pub compared: u64,
    /// How many of those have another value.
    pub changed: u64,
    /// Median of newer minus older over those sources.
    pub shift: Option<f64>,
    /// 1.4826 times the median distance of newer minus older from that median.
    pub scatter: Option<f64>,
}

/// How a bit of the flags changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlagDiff {
    /// The bit, from 0.
    pub bit: usize,
    /// Rows of the older release in which it is set.
    pub old: u64,
    /// Rows of the newer release in which it is set.
    pub new: u64,
    /// Sources in both releases in which it is set now and was not before.
    pub set: u64,
    /// Sources in both releases in which it was set before and is not now.
    pub cleared: u64,
}

/// Compares the releases in the folders `old` and `new`. Sources are matched by identifier. The join sorts both sides
/// and spills to disk what does not fit in memory.
///
/// # Errors
/// If a release is incomplete or the store fails.
pub async fn diff(context: &SessionContext, storage: &Storage, old: &str, new: &str) -> Result<Diff> {
    let (old, new) = (ComparedRelease::open(storage, old).await?, ComparedRelease::open(storage, new).await?);
    let shared: Vec<String> = float_columns(&old.schema).intersection(&float_columns(&new.schema)).cloned().collect();
    let flags = [&old, &new].iter().all(|release| has_flags(&release.schema));
    let mut joined = Joined::new(shared.len());
    let context = bounded(context).map_err(|e| unreadable(&e))?;
    let frame = join(&context, storage, &old, &new, &shared, flags).await.map_err(|e| unreadable(&e))?;
    let mut rows = frame.execute_stream().await.map_err(|e| unreadable(&e))?;
    while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
        joined.add(&batch, shared.len())?;
    }
    let wanted = Wanted { columns: shared.iter().cloned().collect(), flags: true, harmless_flags: 0 };
    let before = summarise(storage, &old.folder, &old.manifest, &wanted).await?;
    let after = summarise(storage, &new.folder, &new.manifest, &wanted).await?;
    let columns = shared.iter().zip(joined.columns);
    let columns = columns.map(|(name, values)| values.compared(name, &new.schema, &before, &after));
    let count = |counts: &[u64], bit: usize| counts.get(bit).copied().unwrap_or(0);
    let flags = (0..FLAG_BITS).map(|bit| FlagDiff {
        bit,
        old: count(&before.flags, bit),
        new: count(&after.flags, bit),
        set: joined.set[bit],
        cleared: joined.cleared[bit],
    });
    Ok(Diff {
        gained: joined.gained,
        lost: joined.lost,
        common: joined.common,
        changed_columns: changed_columns(&old.schema, &new.schema),
        columns: columns.collect(),
        flags: flags.filter(|flag| flag.old > 0 || flag.new > 0).collect(),
        old: old.side(),
        new: new.side(),
    })
}

/// A release that is compared.
struct ComparedRelease {
    folder: String,
    manifest: Manifest,
    schema: Arc<Schema>,
}

impl ComparedRelease {
    async fn open(storage: &Storage, folder: &str) -> Result<Self> {
        let missing = || {
            let error = Error::new(ErrorKind::Input, "there is no release: it has no manifest");
            error.at("folder", storage.shown(folder)).hint("`lamcat release list` shows what there is")
        };
        let manifest = releases::manifest(storage, folder).await?.ok_or_else(missing)?;
        let schema = schema(storage, folder, &manifest.name).await?;
        Ok(Self { folder: folder.to_owned(), manifest, schema })
    }

    fn side(self) -> Side {
        Side { version: self.manifest.version, rows: self.manifest.rows, folder: self.folder }
    }
}

fn has_flags(schema: &Schema) -> bool {
    schema.field_with_name(FLAGS_COLUMN).is_ok_and(|field| *field.data_type() == DataType::Int32)
}

fn unreadable(e: &DataFusionError) -> Error {
    Error::from_datafusion("the releases cannot be compared", e)
}

/// A context that joins in bounded memory.
fn bounded(context: &SessionContext) -> Result<SessionContext, DataFusionError> {
    // With a single partition DataFusion would use a hash join all the same.
    let partitions = context.copied_config().target_partitions().max(2);
    let bytes = match context.runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes,
        MemoryLimit::Infinite | MemoryLimit::Unknown => partitions * PART_BYTES,
    };
    MemoryBudget { bytes, partitions, sorts: 2, merged: 16, batch_rows: 1024 }.context(context)
}

/// One row for each source: both identifiers, both flags if there are any, then the old and new value of each column in
/// turn.
async fn join(
    context: &SessionContext,
    storage: &Storage,
    old: &ComparedRelease,
    new: &ComparedRelease,
    columns: &[String],
    flags: bool,
) -> Result<DataFrame, DataFusionError> {
    let mut sides = Vec::new();
    for (half, prefix) in [(old, "old"), (new, "new")] {
        let urls: Vec<String> = leaves(&half.manifest, &half.folder).iter().map(|leaf| storage.url(leaf)).collect();
        let frame = context.read_parquet(urls, ParquetReadOptions::default()).await?;
        let mut selected = vec![ident(ID_COLUMN).alias(format!("{prefix}_id"))];
        selected.extend(flags.then(|| ident(FLAGS_COLUMN).alias(format!("{prefix}_flags"))));
        let values = columns.iter().enumerate();
        let value = |(i, name): (usize, &String)| ident(name).alias(format!("{prefix}_{i}"));
        selected.extend(values.map(value));
        sides.push(frame.select(selected)?);
    }
    let (Some(new), Some(old)) = (sides.pop(), sides.pop()) else {
        return Err(DataFusionError::Internal("two releases are compared".to_owned()));
    };
    let names = ["id".to_owned()].into_iter().chain(flags.then(|| "flags".to_owned()));
    let names = names.chain((0..columns.len()).map(|i| i.to_string()));
    let both = names.flat_map(|name| [ident(format!("old_{name}")), ident(format!("new_{name}"))]);
    let both: Vec<Expr> = both.collect();
    old.join(new, JoinType::Full, &["old_id"], &["new_id"], None)?.select(both)
}

/// The figures of the joined rows so far.
struct Joined {
    gained: u64,
    lost: u64,
    common: u64,
    set: Vec<u64>,
    cleared: Vec<u64>,
    columns: Vec<Differences>,
}

/// Newer minus older.
#[derive(Default)]
struct Differences {
    values: Quantiles,
    changed: u64,
}

impl Joined {
    fn new(columns: usize) -> Self {
        let none = || vec![0; FLAG_BITS];
        let columns = std::iter::repeat_with(Differences::default).take(columns).collect();
        Self { gained: 0, lost: 0, common: 0, set: none(), cleared: none(), columns }
    }

    fn add(&mut self, batch: &RecordBatch, columns: usize) -> Result<()> {
        let (old, new) = (batch.column(0), batch.column(1));
        let (old, new) = (old.as_primitive::<Int64Type>(), new.as_primitive::<Int64Type>());
        self.gained += old.null_count() as u64;
        self.lost += new.null_count() as u64;
        self.common += (0..batch.num_rows()).filter(|row| old.is_valid(*row) && new.is_valid(*row)).count() as u64;
        let first = batch.num_columns() - 2 * columns;
        if first == 4 {
            let flags = batch.column(2).as_primitive::<Int32Type>().iter();
            for pair in flags.zip(batch.column(3).as_primitive::<Int32Type>().iter()) {
                if let (Some(old), Some(new)) = pair {
                    count_bits(new & !old, &mut self.set);
                    count_bits(old & !new, &mut self.cleared);
                }
            }
        }
        for (i, differences) in self.columns.iter_mut().enumerate() {
            let (old, new) = (as_floats(batch.column(first + 2 * i))?, as_floats(batch.column(first + 2 * i + 1))?);
            for (old, new) in old.into_iter().zip(new) {
                let (Some(old), Some(new)) = (old, new) else { continue };
                if old.is_finite() && new.is_finite() {
                    differences.values.add(new - old);
                    differences.changed += u64::from(old.to_bits() != new.to_bits());
                }
            }
        }
        Ok(())
    }
}

impl Differences {
    fn compared(self, name: &str, schema: &Schema, before: &Summary, after: &Summary) -> ColumnDiff {
        let field = schema.field_with_name(name).ok();
        let unit = field.and_then(|field| field.metadata().get("unit").cloned()).unwrap_or_default();
        let share = |summary: &Summary| {
            let missing = summary.columns.get(name).map_or(0, |column| column.missing);
            missing as f64 / summary.rows.max(1) as f64
        };
        let median = |summary: &Summary| summary.columns.get(name).and_then(|column| column.median);
        let (compared, changed) = (self.values.count(), self.changed);
        let (shift, scatter) = self.values.median_and_scatter().unzip();
        ColumnDiff {
            name: name.to_owned(),
            unit,
            old_median: median(before),
            new_median: median(after),
            old_missing: share(before),
            new_missing: share(after),
            compared,
            changed,
            shift,
            scatter,
        }
    }
}

fn changed_columns(old: &Schema, new: &Schema) -> Vec<ColumnChange> {
    let types = |schema: &Schema| -> BTreeMap<String, String> {
        schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect()
    };
    let (before, after) = (types(old), types(new));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let changes = names.into_iter().map(|name| ColumnChange {
        name: name.clone(),
        old: before.get(name).cloned(),
        new: after.get(name).cloned(),
    });
    changes.filter(|change| change.old != change.new).collect()
}
