//! Writes indices, which say in which tile every row lies, sorted by the values of a column; and checks that
//! identifiers are unique.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, UInt8Array, UInt64Array},
    compute::cast,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    physical_plan::SendableRecordBatchStream,
    prelude::{ParquetReadOptions, SessionContext, ident},
};
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    arrange::sky_order,
    bounded_context::MemoryBudget,
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    damage::unreadable,
    parquet_file::{Effort, TableWriter, Written},
    paths,
    storage::Storage,
    tiles::Tiling,
};

/// Maximum number of rows of one file of the index.
const PART_ROWS: u64 = 20_000_000;
/// The sort by value. It has one partition, since merging several would need memory too.
const SORT: MemoryBudget = MemoryBudget { bytes: 32 << 20, partitions: 1, sorts: 1, merged: 128, batch_rows: 2048 };

/// Schema of the index of a column.
#[must_use]
pub fn schema(column: &Field) -> SchemaRef {
    let columns = [
        (column.name().as_str(), column.data_type().clone()),
        (HEALPIX_COLUMN, DataType::Int64),
        ("Norder", DataType::UInt8),
        ("Npix", DataType::UInt64),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

/// Writes the index of the rows of `units` by the values of `column` into `folder`.
///
/// # Errors
/// If the units cannot be read, the store cannot be written to, or the column is that of the identifiers and one of
/// them occurs twice.
pub async fn write(
    context: &SessionContext,
    storage: &Storage,
    units: &[&Written],
    column: &Field,
    tiling: &Tiling,
    folder: &str,
) -> Result<Vec<Written>> {
    let schema = schema(column);
    let mut rows = sorted(context, storage, units, column.name()).await?;
    let (mut written, mut last) = (Vec::new(), None);
    let new_part = |number: usize| {
        let path = format!("{folder}/{}", paths::index_part(number));
        TableWriter::new(storage, &path, &schema, &[], Effort::Published)
    };
    let mut part = new_part(0)?;
    let mut in_part = 0;
    while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
        if column.name() == ID_COLUMN {
            unique(&batch, &mut last)?;
        }
        if in_part + batch.num_rows() as u64 > PART_ROWS {
            written.push(part.finish().await?);
            part = new_part(written.len())?;
            in_part = 0;
        }
        in_part += batch.num_rows() as u64;
        part.write(with_tiles(&batch, tiling, &schema)?).await?;
    }
    written.push(part.finish().await?);
    Ok(written)
}

/// Checks that no identifier occurs twice in `tables`; [`write`] does so too for the index of identifiers.
///
/// # Errors
/// If one occurs twice, or the tables cannot be read.
pub async fn check_unique(context: &SessionContext, storage: &Storage, tables: &[&Written]) -> Result<()> {
    let mut rows = sorted(context, storage, tables, ID_COLUMN).await?;
    let mut last = None;
    while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
        unique(&batch, &mut last)?;
    }
    Ok(())
}

/// The values of a column and the positions of all rows of `tables`, sorted by value, then position.
async fn sorted(
    context: &SessionContext,
    storage: &Storage,
    tables: &[&Written],
    column: &str,
) -> Result<SendableRecordBatchStream> {
    let urls: Vec<String> = tables.iter().map(|file| storage.url(&file.path)).collect();
    let options = ParquetReadOptions::default().file_sort_order(vec![sky_order()]);
    let context = SORT.context(context).map_err(|e| unreadable(&e))?;
    let frame = context.read_parquet(urls, options).await.map_err(|e| unreadable(&e))?;
    let columns = [ident(column), ident(HEALPIX_COLUMN)];
    let order = columns.clone().map(|column| column.sort(true, false)).to_vec();
    let frame = frame.select(columns).and_then(|f| f.sort(order)).map_err(|e| unreadable(&e))?;
    frame.execute_stream().await.map_err(|e| unreadable(&e))
}

/// Checks that no identifier occurs twice in rows sorted by identifier.
fn unique(batch: &RecordBatch, last: &mut Option<i64>) -> Result<()> {
    for id in batch.column(0).as_primitive::<Int64Type>().values() {
        if *last == Some(*id) {
            let error = Error::new(ErrorKind::Input, format!("{ID_COLUMN} {id} occurs twice in the catalogue"));
            return Err(error.hint(
                "the inputs hold the source in two files, or a join gives it two partners: make the query unique",
            ));
        }
        *last = Some(*id);
    }
    Ok(())
}

fn with_tiles(batch: &RecordBatch, tiling: &Tiling, schema: &SchemaRef) -> Result<RecordBatch> {
    let cells = batch.column(1).as_primitive::<Int64Type>();
    let tiles: Option<Vec<_>> = cells.values().iter().map(|cell| tiling.find(*cell)).collect();
    let tiles = tiles.ok_or_else(|| Error::new(ErrorKind::Input, "a row of a unit lies in no tile"))?;
    let orders: ArrayRef = Arc::new(UInt8Array::from_iter_values(tiles.iter().map(|tile| tile.order)));
    let pixels: ArrayRef = Arc::new(UInt64Array::from_iter_values(tiles.iter().map(|tile| tile.pixel)));
    let failed = |e| Error::new(ErrorKind::Io, "cannot write the index").source(e);
    let values = cast(batch.column(0), schema.field(0).data_type()).map_err(failed)?;
    let columns = vec![values, batch.column(1).clone(), orders, pixels];
    RecordBatch::try_new(schema.clone(), columns).map_err(failed)
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use datafusion::{
        execution::{memory_pool::FairSpillPool, runtime_env::RuntimeEnvBuilder},
        prelude::SessionConfig,
    };
    use object_store::{memory::InMemory, path::Path};
    use url::Url;

    use super::*;
    use crate::{dataset, tiles::Tile};

    /// Creates units of `rows` rows each, with every identifier once, in no particular order.
    async fn units(storage: &Storage, units: u64, rows: u64) -> Vec<Written> {
        let columns = [(HEALPIX_COLUMN, DataType::Int64), (ID_COLUMN, DataType::Int64)];
        let schema = Arc::new(Schema::new(columns.map(|(name, of)| Field::new(name, of, false)).to_vec()));
        let mut written = Vec::new();
        for unit in 0..units {
            let cells = Int64Array::from_iter_values(0..rows as i64);
            // The factor and the number of rows have no common divisor.
            let ids = (unit * rows..(unit + 1) * rows).map(|row| (row * 7_919 % (units * rows)) as i64);
            let columns: Vec<ArrayRef> = vec![Arc::new(cells), Arc::new(Int64Array::from_iter_values(ids))];
            let path = format!("units/{unit}.parquet");
            let mut table = TableWriter::new(storage, &path, &schema, &[], Effort::Working).unwrap();
            table.write(RecordBatch::try_new(schema.clone(), columns).unwrap()).await.unwrap();
            written.push(table.finish().await.unwrap());
        }
        written
    }

    #[tokio::test]
    async fn more_rows_than_memory_are_sorted_on_many_cores() {
        let (store, url) = (Arc::new(InMemory::new()), Url::parse("memory:///").unwrap());
        let storage = Storage::new(store.clone(), Path::default(), url.clone());
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(FairSpillPool::new(2 << 20)));
        let config = SessionConfig::new().with_target_partitions(32);
        let context = SessionContext::new_with_config_rt(config, runtime.build_arc().unwrap());
        context.register_object_store(&url, store);
        let (units, tile) = (units(&storage, 40, 10_000).await, Tile::new(0, 0).unwrap());
        let units: Vec<&Written> = units.iter().collect();
        let column = Field::new(ID_COLUMN, DataType::Int64, true);
        let parts = write(&context, &storage, &units, &column, &Tiling::new(vec![tile]), "index").await.unwrap();
        assert_eq!(parts.len(), 1);
        let mut rows = dataset::open(&storage, &parts[0].path).await.unwrap().build().unwrap();
        let mut next = 0;
        while let Some(batch) = rows.try_next().await.unwrap() {
            let ids = batch.column(0).as_primitive::<Int64Type>().values();
            assert!(ids.iter().copied().eq(next..next + ids.len() as i64));
            next += ids.len() as i64;
        }
        assert_eq!(next, 400_000);
    }
}
