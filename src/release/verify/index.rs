//! Compares the indices with the rows of the main catalogue.

use std::cmp::Ordering;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, make_comparator},
    compute::SortOptions,
    datatypes::{DataType, Field, UInt8Type, UInt64Type},
    util::display::array_value_to_string,
};
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{Check, Fault, Verifier, keys::keys, rows::Sums};
use crate::{
    assemble::Manifest,
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    dataset, index,
    parquet_file::Written,
    paths,
    sums::{integers, mixed},
    tiles::{Tile, Tiling},
};

/// The indexed columns with the names of their indices, from the collection's properties.
pub(super) fn listed(all_indexes: Option<&str>) -> Vec<(String, String)> {
    let words: Vec<&str> = all_indexes.unwrap_or_default().split_whitespace().collect();
    words.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

impl Verifier {
    /// Checks that each index has every row of the main catalogue once, and that no identifier occurs twice.
    pub(super) async fn indices(
        &self,
        manifest: &Manifest,
        main: &Sums,
        indices: &[(String, String)],
        tiling: &Tiling,
        faults: &mut Vec<Fault>,
    ) -> Result<()> {
        for (number, (column, name)) in indices.iter().enumerate() {
            let said = self.property(name, paths::CATALOGUE_PROPERTIES, "hats_index_column").await?;
            if said.as_ref() != Some(column) {
                let what = format!("hats_index_column is {}, not {column}", said.unwrap_or_default());
                let file = format!("{name}/{}", paths::CATALOGUE_PROPERTIES);
                faults.push(Fault { check: Check::Properties, file, what });
            }
            let rows = self.index(manifest, (main, number), (column.as_str(), name.as_str()), tiling, faults).await?;
            // Otherwise the difference from the catalogue has already been reported.
            if rows == main.all.rows {
                self.check_count(name, rows, faults).await?;
            }
        }
        if indices.iter().all(|(column, _)| column != ID_COLUMN) {
            self.unique(manifest, faults).await?;
        }
        Ok(())
    }

    /// Compares an index with the main catalogue; returns the number of its rows.
    async fn index(
        &self,
        manifest: &Manifest,
        (main, number): (&Sums, usize),
        (column, name): (&str, &str),
        tiling: &Tiling,
        faults: &mut Vec<Fault>,
    ) -> Result<u64> {
        let (read, found) = match self.known.index(name) {
            Some(read) => (read, Vec::new()),
            None => self.read_index(manifest, column, name, tiling).await?,
        };
        faults.extend(found);
        let mut differs = |what: String| faults.push(Fault { check: Check::Index, file: name.to_owned(), what });
        if read.rows != main.all.rows {
            differs(format!("the index has {} rows, the catalogue {}", read.rows, main.all.rows));
        } else if read.whole && main.indexed.get(number) != Some(&read.sum) {
            differs("the index does not match the catalogue's rows".into());
        }
        Ok(read.rows)
    }

    /// Reads an index; returns its content, and the faults that it has by itself.
    pub(super) async fn read_index(
        &self,
        manifest: &Manifest,
        column: &str,
        name: &str,
        tiling: &Tiling,
    ) -> Result<(Read, Vec<Fault>)> {
        let parts = (0..).map(|number| format!("{name}/{}", paths::index_part(number)));
        let parts = parts.take_while(|part| manifest.files.iter().any(|file| file.path == *part));
        let mut seen = Seen { column, tiling, rows: 0, sum: 0, last: None, faults: Vec::new(), part: String::new() };
        for part in parts {
            seen.part.clone_from(&part);
            match seen.read(self, &format!("{}/{part}", self.folder)).await {
                // The store is at fault, not the release.
                Err(e) if e.is_retryable() => return Err(e),
                Err(e) => seen.fault("read", e.to_string()),
                Ok(()) => {}
            }
        }
        let whole = seen.faults.iter().all(|(kind, _)| *kind != "read");
        let read = Read { rows: seen.rows, sum: seen.sum, whole };
        Ok((read, seen.faults.into_iter().map(|(_, fault)| fault).collect()))
    }

    /// Checks that no identifier occurs twice in a catalogue without an index of identifiers.
    async fn unique(&self, manifest: &Manifest, faults: &mut Vec<Fault>) -> Result<()> {
        let leaves = manifest.tiles_of(&self.name).into_iter().map(|(_, file)| Written {
            path: format!("{}/{file}", self.folder),
            rows: 0,
            bytes: 0,
            sha256: String::new(),
        });
        let leaves: Vec<Written> = leaves.collect();
        let context = SessionContext::new();
        context.register_object_store(self.storage.address(), self.storage.store().clone());
        let checked = index::check_unique(&context, &self.storage, &leaves.iter().collect::<Vec<_>>()).await;
        if let Err(e) = checked {
            faults.push(Fault { check: Check::Index, file: self.name.clone(), what: e.to_string() });
        }
        Ok(())
    }
}

/// A summary of the rows that were read from an index.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Read {
    rows: u64,
    /// The sum over value, position and tile.
    sum: u64,
    /// Whether every part could be read.
    whole: bool,
}

/// A summary of the rows read so far from an index.
struct Seen<'a> {
    column: &'a str,
    tiling: &'a Tiling,
    rows: u64,
    sum: u64,
    /// The last row's value.
    last: Option<ArrayRef>,
    /// The first fault of each kind, since one wrong row often causes many.
    faults: Vec<(&'static str, Fault)>,
    part: String,
}

impl Seen<'_> {
    fn fault(&mut self, kind: &'static str, what: String) {
        if self.faults.iter().all(|(known, _)| *known != kind) {
            self.faults.push((kind, Fault { check: Check::Index, file: self.part.clone(), what }));
        }
    }

    async fn read(&mut self, verifier: &Verifier, path: &str) -> Result<()> {
        let damaged = |e| dataset::damaged(&verifier.storage, path, e);
        let reader = dataset::open(&verifier.storage, path).await?;
        let data_type = reader.schema().fields().first().map_or(DataType::Null, |field| field.data_type().clone());
        let wanted = index::schema(&Field::new(self.column, data_type, true));
        if reader.schema().fields() != wanted.fields() {
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
        self.order(batch.column(0))?;
        let cells = integers(batch, HEALPIX_COLUMN)?;
        let orders = batch.column(2).as_primitive::<UInt8Type>().values();
        let pixels = batch.column(3).as_primitive::<UInt64Type>().values();
        for (row, key) in keys(batch.column(0))?.into_iter().enumerate() {
            let tile = Tile::new(orders[row], pixels[row]);
            if tile.is_none() || tile != self.tiling.find(cells[row]) {
                let what = format!("{} is said to lie in a tile that it does not", self.value(batch.column(0), row));
                self.fault("tile", what);
            }
            let of_row = [key, cells[row] as u64, u64::from(orders[row]), pixels[row]];
            self.sum = self.sum.wrapping_add(mixed(&of_row));
        }
        Ok(())
    }

    /// Checks that the values are sorted, and that identifiers are unique.
    fn order(&mut self, values: &ArrayRef) -> Result<()> {
        let bad = |e| Error::new(ErrorKind::Input, "the values of an index cannot be compared").source(e);
        let options = SortOptions { descending: false, nulls_first: false };
        if let Some(last) = self.last.take().filter(|_| !values.is_empty()) {
            let across = make_comparator(&last, values, options).map_err(bad)?;
            self.compare(across(0, 0), values, 0);
        }
        let within = make_comparator(values, values, options).map_err(bad)?;
        (1..values.len()).for_each(|row| self.compare(within(row - 1, row), values, row));
        self.last = values.len().checked_sub(1).map(|row| values.slice(row, 1));
        Ok(())
    }

    /// Records a fault if the order of a row's value, compared with that of the row before, is wrong.
    fn compare(&mut self, before: Ordering, values: &ArrayRef, row: usize) {
        match before {
            Ordering::Greater => self.fault("order", format!("{} is out of order", self.value(values, row))),
            Ordering::Equal if self.column == ID_COLUMN => {
                self.fault("twice", format!("{} stands twice", self.value(values, row)));
            }
            _ => {}
        }
    }

    fn value(&self, column: &ArrayRef, row: usize) -> String {
        format!("{} {}", self.column, array_value_to_string(column, row).unwrap_or_default())
    }
}
