//! Counts the rows of a unit again, in smaller pixels than before.

use arrow::{array::AsArray, datatypes::Int64Type};
use datafusion::parquet::arrow::ProjectionMask;
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    catalogue::HEALPIX_COLUMN,
    damage::{Source, miscounted, withdraw_damaged},
    dataset,
    paths::JobPaths,
    storage::Storage,
    tiles::RowCounts,
    units::UnitClaim,
};

/// Counts the rows of a unit in pixels of `order`. The files `units_of` are those of the unit's inference.
///
/// # Errors
/// If the rows cannot be read or their number is not the one counted before; in that case the claim is withdrawn if its
/// file was damaged.
pub async fn recount(storage: &Storage, units_of: &JobPaths, claim: &UnitClaim, order: u8) -> Result<RowCounts> {
    let mut counts = RowCounts::new(order);
    let Some(file) = &claim.rows else { return Ok(counts) };
    let counted = count(storage, &file.path, &mut counts).await;
    if counted.is_ok() && counts.total() == file.rows {
        return Ok(counts);
    }
    let seen = counted.err().unwrap_or_else(|| miscounted(counts.total(), file.rows));
    let source = Source { claim: units_of.unit_claim(&claim.unit), file };
    Err(withdraw_damaged(storage, vec![source], true).await?.unwrap_or(seen))
}

async fn count(storage: &Storage, path: &str, counts: &mut RowCounts) -> Result<()> {
    let damaged = |e| dataset::damaged(storage, path, e);
    let reader = dataset::open(storage, path).await?;
    let place = reader.schema().index_of(HEALPIX_COLUMN);
    let place = place.map_err(|e| Error::new(ErrorKind::Input, "a unit has no places").at("file", path).source(e))?;
    let mask = ProjectionMask::roots(reader.parquet_schema(), [place]);
    let mut batches = reader.with_projection(mask).build().map_err(damaged)?;
    while let Some(batch) = batches.try_next().await.map_err(damaged)? {
        batch.column(0).as_primitive::<Int64Type>().values().iter().for_each(|cell| counts.add(*cell));
    }
    Ok(())
}
