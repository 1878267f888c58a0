//! The index of identifiers: which tile has a source, for every source, in the order of the identifiers.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch, UInt8Array, UInt64Array},
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    execution::{
        memory_pool::{FairSpillPool, MemoryLimit},
        runtime_env::RuntimeEnvBuilder,
    },
    prelude::{ParquetReadOptions, SessionContext, ident},
};
use futures::TryStreamExt;

use super::{
    arrange::{sky_order, unreadable},
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    parquet_file::{Effort, TableWriter, Written},
    paths,
    storage::Storage,
    tiles::Tiling,
};
use crate::error::{Error, ErrorKind, Result};

/// Rows of a part at most.
const PART_ROWS: u64 = 20_000_000;
/// Memory of the sort by identifier, whatever its rows; what goes beyond is sorted through files on the local disk.
const SORT_BYTES: usize = 64 << 20;

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
    let frame = sorter(context)?.read_parquet(urls, options).await.map_err(|e| unreadable(&e))?;
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

/// A context with the stores of another and a limit of memory.
fn sorter(context: &SessionContext) -> Result<SessionContext> {
    let environment = context.runtime_env();
    let bytes = match environment.memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes.min(SORT_BYTES),
        MemoryLimit::Infinite | MemoryLimit::Unknown => SORT_BYTES,
    };
    let limited =
        RuntimeEnvBuilder::from_runtime_env(&environment).with_memory_pool(Arc::new(FairSpillPool::new(bytes)));
    let limited = limited.build_arc().map_err(|e| unreadable(&e))?;
    Ok(SessionContext::new_with_config_rt(context.copied_config(), limited))
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
