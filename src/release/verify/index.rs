//! The index against the rows of the main catalogue.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{UInt8Type, UInt64Type},
};
use futures::TryStreamExt;

use super::{
    Check, Fault,
    rows::{Sums, integers, mixed},
};
use crate::{
    error::Result,
    release::{
        assemble::Manifest,
        catalogue::{HEALPIX_COLUMN, ID_COLUMN},
        dataset, index, paths,
        storage::Storage,
        tiles::{Tile, Tiling},
    },
};

/// Whether the index has the rows of the main catalogue, each once.
pub(super) async fn check(
    storage: &Storage,
    folder: &str,
    manifest: &Manifest,
    main: &Sums,
    tiling: &Tiling,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    let name = paths::index_name(&manifest.name, ID_COLUMN);
    let parts = (0..).map(|number| format!("{name}/{}", paths::index_part(number)));
    let parts = parts.take_while(|part| manifest.files.iter().any(|file| file.path == *part));
    let mut seen = Seen { tiling, rows: 0, sum: 0, last: None, faults: Vec::new(), part: String::new() };
    for part in parts {
        seen.part.clone_from(&part);
        match seen.read(storage, &format!("{folder}/{part}")).await {
            // The store is at fault, not the release.
            Err(e) if e.is_retryable() => return Err(e),
            Err(e) => seen.fault("read", e.to_string()),
            Ok(()) => {}
        }
    }
    let whole = seen.faults.iter().all(|(kind, _)| *kind != "read");
    faults.extend(seen.faults.into_iter().map(|(_, fault)| fault));
    let mut differs = |what: String| faults.push(Fault { check: Check::Index, file: name.clone(), what });
    if seen.rows != main.rows {
        differs(format!("the index has {} rows, the catalogue {}", seen.rows, main.rows));
    } else if whole && seen.sum != main.indexed {
        differs("the index is not of the catalogue's rows".into());
    }
    Ok(())
}

/// What was read of the index so far.
struct Seen<'a> {
    tiling: &'a Tiling,
    rows: u64,
    sum: u64,
    last: Option<i64>,
    /// The first of each kind, since one wrong row is often many.
    faults: Vec<(&'static str, Fault)>,
    part: String,
}

impl Seen<'_> {
    fn fault(&mut self, kind: &'static str, what: String) {
        if self.faults.iter().all(|(known, _)| *known != kind) {
            self.faults.push((kind, Fault { check: Check::Index, file: self.part.clone(), what }));
        }
    }

    async fn read(&mut self, storage: &Storage, path: &str) -> Result<()> {
        let damaged = |e| dataset::damaged(storage, path, e);
        let reader = dataset::open(storage, path).await?;
        if reader.schema().fields() != index::schema().fields() {
            self.fault("columns", "the columns are not those of an index".into());
            return Ok(());
        }
        let mut batches = reader.build().map_err(damaged)?;
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            self.add(&batch)?;
        }
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let (ids, cells) = (integers(batch, ID_COLUMN)?, integers(batch, HEALPIX_COLUMN)?);
        let orders = batch.column(2).as_primitive::<UInt8Type>().values();
        let pixels = batch.column(3).as_primitive::<UInt64Type>().values();
        for (row, id) in ids.iter().enumerate() {
            match self.last {
                Some(last) if last == *id => self.fault("twice", format!("{ID_COLUMN} {id} stands twice")),
                Some(last) if last > *id => self.fault("order", format!("{ID_COLUMN} {id} is out of order")),
                _ => {}
            }
            self.last = Some(*id);
            let tile = Tile::new(orders[row], pixels[row]);
            if tile.is_none() || tile != self.tiling.find(cells[row]) {
                self.fault("tile", format!("{ID_COLUMN} {id} is said to lie in a tile that it does not"));
            }
            let of_row = [*id as u64, cells[row] as u64, u64::from(orders[row]), pixels[row]];
            self.sum = self.sum.wrapping_add(mixed(&of_row));
        }
        Ok(())
    }
}
