//! What the rows of a release are counted into. Every leaf is read once; what is kept does not grow with the rows.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int32Type, Int64Type},
};
use datafusion::{common::runtime::SpawnedTask, parquet::errors::ParquetError};
use futures::{StreamExt, TryStreamExt};

use super::{
    limits::{Range, columns},
    quantity::Quantity,
};
use crate::{
    error::{Error, ErrorKind, Result},
    pipeline::known::QUALITY_FLAGS,
    release::{
        Storage,
        catalogue::HEALPIX_COLUMN,
        dataset,
        quantiles::Quantiles,
        summary::{FLAG_BITS, count_bits},
        tiles::RowCounts,
    },
};

/// Order of the finest map of the sky.
const SKY_ORDER: u8 = 5;

/// What is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// Quantities with the bins of their values; without limits only their quantiles are taken.
    pub(super) bins: Vec<(Quantity, Option<Range>)>,
    /// Pairs of quantities with the cells of their values.
    pub(super) grids: Vec<[(Quantity, Range); 2]>,
}

impl Plan {
    /// Everything that has to be read of a row.
    fn quantities(&self) -> Vec<Quantity> {
        let marks = [HEALPIX_COLUMN, QUALITY_FLAGS].map(|name| Quantity::Column(name.to_owned()));
        let cells = self.grids.iter().flatten().map(|(quantity, _)| quantity.clone());
        self.bins.iter().map(|(quantity, _)| quantity.clone()).chain(cells).chain(marks).collect()
    }
}

/// The counts.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// Rows in the pixels of the sky.
    pub(super) sky: RowCounts,
    /// As in the plan.
    pub(super) bins: Vec<Bins>,
    /// Rows of each cell, the first quantity faster; as in the plan.
    pub(super) grids: Vec<Vec<u64>>,
    /// Rows with each bit of the flags.
    pub(super) flags: Vec<u64>,
}

/// The rows of a quantity.
#[derive(Debug, Clone, Default)]
pub(super) struct Bins {
    /// Rows of each bin.
    pub(super) counts: Vec<u64>,
    /// Rows with a finite value below all bins, and above.
    pub(super) beyond: [u64; 2],
    /// The finite values.
    pub(super) values: Quantiles,
}

impl Bins {
    fn add(&mut self, value: f64, range: Option<&Range>) {
        if !value.is_finite() {
            return;
        }
        self.values.add(value);
        let Some(range) = range else { return };
        match range.bin(value) {
            Some(bin) => self.counts[bin] += 1,
            None => self.beyond[usize::from(value > range.high)] += 1,
        }
    }

    /// Rows with a finite value.
    pub(super) fn finite(&self) -> u64 {
        self.values.count()
    }

    fn merge(&mut self, other: &Self) {
        merge(&mut self.counts, &other.counts);
        merge(&mut self.beyond, &other.beyond);
        self.values.merge(&other.values);
    }
}

fn merge(own: &mut [u64], more: &[u64]) {
    own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
}

impl Tally {
    /// Counts the rows of leaves.
    ///
    /// # Errors
    /// If a leaf cannot be read.
    pub(super) async fn of(storage: &Storage, leaves: &[String], plan: &Plan) -> Result<Self> {
        let tasks = leaves.iter().map(|leaf| {
            let (storage, leaf, plan) = (storage.clone(), leaf.clone(), plan.clone());
            SpawnedTask::spawn(async move { Self::of_leaf(&storage, &leaf, &plan).await }).join()
        });
        let lost = |e| Error::new(ErrorKind::Internal, "a leaf's reader ended before its time").source(e);
        let mut counted = futures::stream::iter(tasks).buffered(dataset::tables_at_once());
        let mut all = Self::new(plan);
        while let Some(tally) = counted.try_next().await.map_err(lost)? {
            all.merge(&tally?);
        }
        Ok(all)
    }

    fn new(plan: &Plan) -> Self {
        let bins = plan
            .bins
            .iter()
            .map(|(_, range)| Bins { counts: vec![0; range.map_or(0, |range| range.bins)], ..Bins::default() });
        Self {
            rows: 0,
            sky: RowCounts::new(SKY_ORDER),
            bins: bins.collect(),
            grids: plan.grids.iter().map(|[x, y]| vec![0; x.1.bins * y.1.bins]).collect(),
            flags: vec![0; FLAG_BITS],
        }
    }

    async fn of_leaf(storage: &Storage, leaf: &str, plan: &Plan) -> Result<Self> {
        let damaged = |e: ParquetError| dataset::damaged(storage, leaf, e);
        let reader = dataset::open(storage, leaf).await?;
        let mask = columns(reader.schema(), reader.parquet_schema(), &plan.quantities());
        let mut batches = reader.with_projection(mask).build().map_err(damaged)?;
        let mut tally = Self::new(plan);
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            tally.add(&batch, plan)?;
        }
        Ok(tally)
    }

    fn add(&mut self, batch: &RecordBatch, plan: &Plan) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let cells = batch.column_by_name(HEALPIX_COLUMN).and_then(|c| c.as_primitive_opt::<Int64Type>());
        cells.into_iter().flatten().flatten().for_each(|cell| self.sky.add(cell));
        for ((quantity, range), bins) in plan.bins.iter().zip(&mut self.bins) {
            quantity.values(batch)?.into_iter().for_each(|value| bins.add(value, range.as_ref()));
        }
        for ([(x, columns), (y, rows)], counts) in plan.grids.iter().zip(&mut self.grids) {
            for (x, y) in x.values(batch)?.into_iter().zip(y.values(batch)?) {
                if let (Some(x), Some(y)) = (columns.bin(x), rows.bin(y)) {
                    counts[y * columns.bins + x] += 1;
                }
            }
        }
        let flags = batch.column_by_name(QUALITY_FLAGS).and_then(|c| c.as_primitive_opt::<Int32Type>());
        flags.into_iter().flatten().flatten().for_each(|value| count_bits(value, &mut self.flags));
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sky.merge(&other.sky);
        self.bins.iter_mut().zip(&other.bins).for_each(|(own, more)| own.merge(more));
        self.grids.iter_mut().zip(&other.grids).for_each(|(own, more)| merge(own, more));
        merge(&mut self.flags, &other.flags);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array};

    use super::*;

    #[test]
    fn every_row_is_counted_once() {
        let range = Range { low: 0.0, high: 10.0, log: false, bins: 5 };
        let a = || Quantity::Column("a".to_owned());
        let plan = Plan {
            bins: vec![(a(), Some(range)), (Quantity::Column("b".to_owned()), None)],
            grids: vec![[(a(), range), (a(), Range { bins: 2, ..range })]],
        };
        let values = [-1.0, 0.0, 1.9, 2.0, 10.0, 11.0, f32::NAN, f32::INFINITY, 9.0];
        let columns: [(&str, ArrayRef); 3] = [
            (HEALPIX_COLUMN, Arc::new(Int64Array::from_iter_values((0..9).map(|i| i << 56)))),
            ("a", Arc::new(Float32Array::from(values.to_vec()))),
            (QUALITY_FLAGS, Arc::new((0..9).map(|i| (i != 3).then_some(i)).collect::<Int32Array>())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let (mut tally, mut other) = (Tally::new(&plan), Tally::new(&plan));
        tally.add(&batch.slice(0, 4), &plan).unwrap();
        other.add(&batch.slice(4, 5), &plan).unwrap();
        tally.merge(&other);
        assert_eq!((tally.rows, tally.sky.total()), (9, 9));
        assert_eq!((&tally.bins[0].counts[..], tally.bins[0].beyond), (&[2, 1, 0, 0, 2][..], [1, 1]));
        assert_eq!((tally.bins[0].finite(), tally.bins[1].finite()), (7, 0));
        assert_eq!(tally.grids[0], [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        // Of 0 to 8 without 3.
        assert_eq!(tally.flags[..4], [3, 3, 4, 1]);
    }
}
