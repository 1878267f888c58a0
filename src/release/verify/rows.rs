//! Checks the rows of leaves: their positions, their order, their identifiers, their margins.

use std::collections::BTreeMap;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Float64Type, SchemaRef},
};
use datafusion::parquet::errors::ParquetError;
use futures::TryStreamExt;
use lamcat_core::{error::Result, schema::healpix};
use serde::{Deserialize, Serialize};

use super::{Check, Fault, keys::keys};
use crate::{
    catalogue::{HEALPIX_COLUMN, ID_COLUMN, POSITION_COLUMNS},
    dataset,
    margin::Margin,
    paths,
    storage::Storage,
    sums::{RowSum, integers, mixed, no_column},
    tiles::{HEALPIX_ORDER, Tile},
    votable,
};

/// Sums over rows that do not depend on their order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) all: RowSum,
    /// For each indexed column, the sum over value, position and tile.
    pub(super) indexed: Vec<u64>,
    /// For each leaf that was read, the number of rows and the sum over identifier and position.
    #[serde(with = "pairs")]
    tiles: BTreeMap<(u8, u64), (u64, u64)>,
    /// The same for the margins in which the rows belong.
    #[serde(with = "pairs")]
    margins: BTreeMap<(u8, u64), (u64, u64)>,
}

/// JSON keys must be strings, but these maps have tiles as keys, so they are written as lists of pairs.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    type Tiles = BTreeMap<(u8, u64), (u64, u64)>;

    pub(super) fn serialize<S: Serializer>(tiles: &Tiles, serializer: S) -> Result<S::Ok, S::Error> {
        tiles.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tiles, D::Error> {
        Ok(Vec::<((u8, u64), (u64, u64))>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl Sums {
    pub(super) fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        self.indexed.resize(self.indexed.len().max(other.indexed.len()), 0);
        self.indexed.iter_mut().zip(other.indexed).for_each(|(own, more)| *own = own.wrapping_add(more));
        self.tiles.extend(other.tiles);
        for (tile, (rows, sum)) in other.margins {
            add(&mut self.margins, tile, rows, sum);
        }
    }
}

fn add(sums: &mut BTreeMap<(u8, u64), (u64, u64)>, tile: (u8, u64), rows: u64, sum: u64) {
    let entry = sums.entry(tile).or_default();
    *entry = (entry.0 + rows, entry.1.wrapping_add(sum));
}

/// The catalogue of a collection that leaves belong to.
pub(super) enum Part {
    /// The main catalogue: the margin in which its rows may belong, if there is one, and the indexed columns.
    Main(Option<Margin>, Vec<String>),
    /// The margin catalogue.
    Margin,
}

/// The leaves of one catalogue.
pub(super) struct Leaves {
    storage: Storage,
    folder: String,
    schema: Option<SchemaRef>,
    votable: String,
    part: Part,
}

impl Leaves {
    /// Reads the form that all leaves must have from the schema file.
    pub(super) async fn new(
        storage: &Storage,
        folder: &str,
        common: &str,
        part: Part,
        faults: &mut Vec<Fault>,
    ) -> Result<Self> {
        let fault = |what: String| Fault { check: Check::Schema, file: common.to_owned(), what };
        let mut leaves =
            Self { storage: storage.clone(), folder: folder.to_owned(), schema: None, votable: String::new(), part };
        match dataset::open(storage, &format!("{folder}/{common}")).await {
            Ok(reader) => {
                leaves.schema = Some(reader.schema().clone());
                leaves.votable = reader.schema().metadata().get(votable::CONTENT_KEY).cloned().unwrap_or_default();
                if let Some(what) = leaves.schema.as_ref().and_then(|s| votable::differs(&leaves.votable, s)) {
                    faults.push(fault(what));
                }
            }
            // The store is at fault, not the release.
            Err(e) if e.is_retryable() => return Err(e),
            Err(e) => faults.push(fault(e.to_string())),
        }
        Ok(leaves)
    }

    /// Reads a leaf; returns the sums over its rows, and its faults.
    pub(super) async fn check(&self, tile: Tile, file: &str) -> Result<(Sums, Vec<Fault>)> {
        let mut leaf = Leaf { leaves: self, tile, file, sums: Sums::default(), faults: Vec::new(), last: None };
        match leaf.read().await {
            // The store is at fault, not the release.
            Err(e) if e.is_retryable() => return Err(e),
            Err(e) => leaf.fault(Check::Files, e.to_string()),
            Ok(()) => {}
        }
        Ok((leaf.sums, leaf.faults))
    }
}

struct Leaf<'a> {
    leaves: &'a Leaves,
    tile: Tile,
    file: &'a str,
    sums: Sums,
    faults: Vec<Fault>,
    last: Option<i64>,
}

impl Leaf<'_> {
    /// Records a fault, but only the first of each kind, since one wrong row often causes many.
    fn fault(&mut self, check: Check, what: String) {
        if self.faults.iter().all(|fault| fault.check != check) {
            self.faults.push(Fault { check, file: self.file.to_owned(), what });
        }
    }

    async fn read(&mut self) -> Result<()> {
        let Leaves { storage, folder, schema, votable, .. } = self.leaves;
        let path = format!("{folder}/{}", self.file);
        let damaged = |e: ParquetError| dataset::damaged(storage, &path, e);
        let reader = dataset::open(storage, &path).await?;
        let found = reader.schema().clone();
        if schema.as_ref().is_some_and(|schema| found.fields() != schema.fields()) {
            self.fault(Check::Schema, "the columns are not those of _common_metadata".into());
        }
        if found.metadata().get(votable::CONTENT_KEY) != Some(votable) {
            self.fault(Check::Schema, "the VOTable is not that of _common_metadata".into());
        }
        let mut batches = reader.build().map_err(damaged)?;
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            self.add(&batch)?;
        }
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let (cells, ids) = (integers(batch, HEALPIX_COLUMN)?, integers(batch, ID_COLUMN)?);
        let [ras, decs] = POSITION_COLUMNS.map(|name| floats(batch, name));
        let (ras, decs) = (ras?, decs?);
        let own = (self.tile.order, self.tile.pixel);
        let mut near = Vec::new();
        for (row, (cell, id)) in cells.iter().zip(ids).enumerate() {
            if healpix::pixel(ras[row], decs[row], HEALPIX_ORDER) != Some(*cell) {
                self.fault(Check::Place, format!("{HEALPIX_COLUMN} of {ID_COLUMN} {id} is not that of its position"));
            }
            if matches!(self.leaves.part, Part::Main(..)) && !self.tile.contains(*cell) {
                self.fault(Check::Place, format!("{ID_COLUMN} {id} does not lie in the tile"));
            }
            if self.last.is_some_and(|last| last > *cell) {
                self.fault(Check::Order, format!("{ID_COLUMN} {id} comes after a row with a larger {HEALPIX_COLUMN}"));
            }
            self.last = Some(*cell);
            let mut one = RowSum::default();
            one.add(*id, *cell);
            self.sums.all.merge(one);
            add(&mut self.sums.tiles, own, 1, one.sum);
            if let Part::Main(Some(margin), _) = &self.leaves.part {
                margin.tiles_of(self.tile, *cell, &mut near);
                for tile in &near {
                    add(&mut self.sums.margins, (tile.order, tile.pixel), 1, one.sum);
                }
            }
        }
        self.add_indexed(batch, cells)
    }

    /// Adds up what the indices must contain for these rows.
    fn add_indexed(&mut self, batch: &RecordBatch, cells: &[i64]) -> Result<()> {
        let Part::Main(_, columns) = &self.leaves.part else { return Ok(()) };
        self.sums.indexed.resize(columns.len(), 0);
        for (sum, name) in self.sums.indexed.iter_mut().zip(columns) {
            let keys = keys(batch.column_by_name(name).ok_or_else(|| no_column(name))?)?;
            for (key, cell) in keys.into_iter().zip(cells) {
                let of_row = [key, *cell as u64, u64::from(self.tile.order), self.tile.pixel];
                *sum = sum.wrapping_add(mixed(&of_row));
            }
        }
        Ok(())
    }
}

fn floats<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [f64]> {
    let column = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
    column.map(|c| c.values().as_ref()).ok_or_else(|| no_column(name))
}

/// Checks that the margins contain what the rows of the main catalogue require.
pub(super) fn compare_margins(name: &str, main: &Sums, margin: &Sums, faults: &mut Vec<Fault>) {
    let mut tiles: Vec<_> = main.margins.keys().chain(margin.tiles.keys()).collect();
    tiles.sort_unstable();
    tiles.dedup();
    for tile in tiles {
        let (wanted, found) = (main.margins.get(tile), margin.tiles.get(tile));
        if wanted != found {
            let rows = |sums: Option<&(u64, u64)>| sums.map_or(0, |(rows, _)| *rows);
            let what = format!("{} rows belong into the margin of the tile, {} are there", rows(wanted), rows(found));
            let file = Tile::new(tile.0, tile.1).map(paths::leaf).unwrap_or_default();
            faults.push(Fault { check: Check::Margin, file: format!("{name}/{file}"), what });
        }
    }
}
