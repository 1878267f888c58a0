//! Named cuts: conditions on the columns of a catalogue, and how many rows pass each.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{array::AsArray, datatypes::Schema};
use datafusion::{
    common::{DFSchema, runtime::SpawnedTask},
    error::{DataFusionError, Result as QueryResult},
    parquet::{arrow::ProjectionMask, errors::ParquetError},
    physical_plan::PhysicalExpr,
    prelude::SessionContext,
};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{arrange::Arrangement, dataset, parquet_file::Written, storage::Storage};

/// A cut, and the rows of a release that pass it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutRows {
    /// The name of the cut.
    pub name: String,
    /// The condition of the cut, in SQL.
    pub condition: String,
    /// Rows of the main catalogue for which it is true.
    pub rows: u64,
}

/// Counts the rows of `leaves` that pass each of `cuts`. A row for which a condition is NULL does not pass it.
///
/// # Errors
/// If a cut is not a condition on the columns, or a leaf cannot be read.
pub(super) async fn count(
    arrangement: &Arrangement<'_>,
    leaves: &[Written],
    cuts: &BTreeMap<String, String>,
) -> Result<Vec<CutRows>> {
    let conditions = cuts.iter().map(|(name, condition)| {
        Condition::new(arrangement.functions, &arrangement.schema, condition).map_err(|e| {
            let error = Error::new(ErrorKind::Plan, "the cut is not a condition on the columns of the catalogue");
            error.at("cut", name).source(e.strip_backtrace())
        })
    });
    let conditions: Arc<[Condition]> = conditions.collect::<Result<_>>()?;
    let mut rows = vec![0; cuts.len()];
    if !cuts.is_empty() {
        let task = |leaf: &Written| {
            let (storage, path, conditions) = (arrangement.storage.clone(), leaf.path.clone(), conditions.clone());
            async move { SpawnedTask::spawn(async move { of_leaf(&storage, &path, &conditions).await }).join().await }
        };
        let tasks: Vec<_> = leaves.iter().map(task).collect();
        let lost = |e| Error::new(ErrorKind::Io, "a leaf's reader ended before its time").source(e);
        let mut counted = futures::stream::iter(tasks).buffered(dataset::tables_at_once());
        while let Some(counts) = counted.try_next().await.map_err(lost)? {
            rows.iter_mut().zip(counts?).for_each(|(all, more)| *all += more);
        }
    }
    let counted = cuts.iter().zip(rows);
    Ok(counted
        .map(|((name, condition), rows)| CutRows { name: name.clone(), condition: condition.clone(), rows })
        .collect())
}

/// A condition, and the columns that it reads.
struct Condition {
    columns: Vec<usize>,
    expr: Arc<dyn PhysicalExpr>,
}

impl Condition {
    fn new(functions: &SessionContext, schema: &Schema, condition: &str) -> QueryResult<Self> {
        let state = functions.state();
        let expr = state.create_logical_expr(condition, &DFSchema::try_from(schema.clone())?)?;
        let columns: BTreeSet<usize> =
            expr.column_refs().into_iter().map(|column| schema.index_of(column.name())).collect::<Result<_, _>>()?;
        let columns: Vec<usize> = columns.into_iter().collect();
        let read = DFSchema::try_from(schema.project(&columns)?)?;
        Ok(Self { columns, expr: state.create_physical_expr(expr, &read)? })
    }
}

async fn of_leaf(storage: &Storage, leaf: &str, conditions: &[Condition]) -> Result<Vec<u64>> {
    let mut counts = vec![0; conditions.len()];
    let damaged = |e: ParquetError| dataset::damaged(storage, leaf, e);
    let failed = |e: DataFusionError| {
        let error = Error::new(ErrorKind::Input, "a cut cannot be computed").at("file", storage.shown(leaf));
        error.source(e.strip_backtrace())
    };
    for (count, condition) in counts.iter_mut().zip(conditions) {
        let reader = dataset::open(storage, leaf).await?;
        let mask = ProjectionMask::roots(reader.parquet_schema(), condition.columns.iter().copied());
        let mut batches = reader.with_projection(mask).build().map_err(damaged)?;
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            let passes = condition.expr.evaluate(&batch).and_then(|value| value.into_array(batch.num_rows()));
            *count += passes.map_err(failed)?.as_boolean().true_count() as u64;
        }
    }
    Ok(counts)
}
