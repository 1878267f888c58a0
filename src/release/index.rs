//! The index of identifiers: which tile has a source, for every source, in the order of the identifiers.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, UInt8Array, UInt64Array},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::prelude::{ParquetReadOptions, SessionContext, ident};
use futures::TryStreamExt;

use super::{
    arrange::{sky_order, unreadable},
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    parquet_file::{Effort, TableWriter, Written},
    paths,
    spilling::Spilling,
    storage::Storage,
    tiles::Tiling,
};
use crate::error::{Error, ErrorKind, Result};

/// Rows of a part at most.
const PART_ROWS: u64 = 20_000_000;
/// The sort by identifier. It has one part: what merged several would need memory too.
const SORT: Spilling = Spilling { bytes: 32 << 20, partitions: 1, sorts: 1, merged: 128, batch_rows: 2048 };

/// Columns of the index.
#[must_use]
pub fn schema() -> SchemaRef {
    let columns = [
        (ID_COLUMN, DataType::Int64),
        (HEALPIX_COLUMN, DataType::Int64),
        ("Norder", DataType::UInt8),
        ("Npix", DataType::UInt64),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec()))
}

/// Writes the index of the rows of `units` into `folder`.
///
/// # Errors
/// If an identifier stands twice, if the units cannot be read, or the store cannot be written to.
pub async fn write(
    context: &SessionContext,
    storage: &Storage,
    units: &[&Written],
    tiling: &Tiling,
    folder: &str,
) -> Result<Vec<Written>> {
    let urls: Vec<String> = units.iter().map(|file| storage.url(&file.path)).collect();
    let options = ParquetReadOptions::default().file_sort_order(vec![sky_order()]);
    let context = SORT.context(context).map_err(|e| unreadable(&e))?;
    let frame = context.read_parquet(urls, options).await.map_err(|e| unreadable(&e))?;
    let frame = frame.select([ident(ID_COLUMN), ident(HEALPIX_COLUMN)]);
    let frame = frame.and_then(|f| f.sort(vec![ident(ID_COLUMN).sort(true, false)])).map_err(|e| unreadable(&e))?;
    let mut rows = frame.execute_stream().await.map_err(|e| unreadable(&e))?;
    let (mut written, mut last) = (Vec::new(), None);
    let mut part = new_part(storage, folder, 0)?;
    let mut in_part = 0;
    while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
        unique(&batch, &mut last)?;
        if in_part + batch.num_rows() as u64 > PART_ROWS {
            written.push(part.finish().await?);
            part = new_part(storage, folder, written.len())?;
            in_part = 0;
        }
        in_part += batch.num_rows() as u64;
        part.write(with_tiles(&batch, tiling)?).await?;
    }
    written.push(part.finish().await?);
    Ok(written)
}

fn new_part(storage: &Storage, folder: &str, number: usize) -> Result<TableWriter> {
    let path = format!("{folder}/{}", paths::index_part(number));
    TableWriter::new(storage, &path, &schema(), &[], Effort::Published)
}

/// Makes sure that no identifier stands twice in rows sorted by it.
fn unique(batch: &RecordBatch, last: &mut Option<i64>) -> Result<()> {
    for id in batch.column(0).as_primitive::<Int64Type>().values() {
        if *last == Some(*id) {
            let error = Error::new(ErrorKind::Input, format!("{ID_COLUMN} {id} stands in the catalogue twice"));
            return Err(error.hint(
                "the inputs hold the source in two files, or a join gives it two partners: make the query unique",
            ));
        }
        *last = Some(*id);
    }
    Ok(())
}

fn with_tiles(batch: &RecordBatch, tiling: &Tiling) -> Result<RecordBatch> {
    let cells = batch.column(1).as_primitive::<Int64Type>();
    let tiles: Option<Vec<_>> = cells.values().iter().map(|cell| tiling.find(*cell)).collect();
    let tiles = tiles.ok_or_else(|| Error::new(ErrorKind::Input, "a row of a unit lies in no tile"))?;
    let orders: ArrayRef = Arc::new(UInt8Array::from_iter_values(tiles.iter().map(|tile| tile.order)));
    let pixels: ArrayRef = Arc::new(UInt64Array::from_iter_values(tiles.iter().map(|tile| tile.pixel)));
    let columns = vec![batch.column(0).clone(), batch.column(1).clone(), orders, pixels];
    RecordBatch::try_new(schema(), columns).map_err(|e| Error::new(ErrorKind::Io, "cannot write the index").source(e))
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
    use crate::release::{dataset, tiles::Tile};

    /// Units of so many rows each; every identifier once, in no order.
    async fn units(storage: &Storage, units: u64, rows: u64) -> Vec<Written> {
        let columns = [(HEALPIX_COLUMN, DataType::Int64), (ID_COLUMN, DataType::Int64)];
        let schema = Arc::new(Schema::new(columns.map(|(name, of)| Field::new(name, of, false)).to_vec()));
        let mut written = Vec::new();
        for unit in 0..units {
            let cells = Int64Array::from_iter_values(0..rows as i64);
            // The factor has none in common with the number of rows.
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
        let parts = write(&context, &storage, &units, &Tiling::new(vec![tile]), "index").await.unwrap();
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
