//! Counts the rows of a release in the bins of a [`Binning`]. Every leaf is read once, and the memory needed does not
//! grow with the number of rows.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int32Type, Int64Type},
};
use datafusion::{common::runtime::SpawnedTask, parquet::errors::ParquetError};
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    Storage,
    catalogue::HEALPIX_COLUMN,
    dataset,
    quantiles::Quantiles,
    summary::{FLAG_BITS, FLAGS_COLUMN, count_bits},
    tiles::RowCounts,
};

use super::{
    axis_range::{AxisRange, columns},
    binning::Binning,
};

/// Order of the pixels of the finest map of the sky.
const SKY_ORDER: u8 = 5;

/// The counts of the rows of a release.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) rows: u64,
    /// Number of rows in each pixel of the sky.
    pub(super) sky: RowCounts,
    /// The bins of each quantity, in the order of the binning.
    pub(super) bins: Vec<Bins>,
    /// Number of rows in each cell of each pair, in the order of the binning; the index of the first quantity changes
    /// fastest.
    pub(super) grids: Vec<Vec<u64>>,
    /// Number of rows with each bit of the flags.
    pub(super) flags: Vec<u64>,
}

/// The rows of a release in the bins of one quantity.
#[derive(Debug, Clone, Default)]
pub(super) struct Bins {
    /// Number of rows in each bin.
    pub(super) counts: Vec<u64>,
    /// Number of rows with a finite value below all bins, and above all bins.
    pub(super) beyond: [u64; 2],
    /// The finite values.
    pub(super) values: Quantiles,
}

impl Bins {
    fn add(&mut self, value: f64, range: Option<&AxisRange>) {
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

    /// Number of rows with a finite value.
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

impl Counts {
    /// Counts the rows of leaves.
    ///
    /// # Errors
    /// If a leaf cannot be read.
    pub(super) async fn of(storage: &Storage, leaves: &[String], binning: &Binning) -> Result<Self> {
        let tasks = leaves.iter().map(|leaf| {
            let (storage, leaf, binning) = (storage.clone(), leaf.clone(), binning.clone());
            SpawnedTask::spawn(async move { Self::of_leaf(&storage, &leaf, &binning).await }).join()
        });
        let lost = |e| Error::new(ErrorKind::Internal, "a leaf's reader ended before its time").source(e);
        let mut counted = futures::stream::iter(tasks).buffered(dataset::tables_at_once());
        let mut all = Self::new(binning);
        while let Some(counts) = counted.try_next().await.map_err(lost)? {
            all.merge(&counts?);
        }
        Ok(all)
    }

    fn new(binning: &Binning) -> Self {
        let bins = binning
            .bins
            .iter()
            .map(|(_, range)| Bins { counts: vec![0; range.map_or(0, |range| range.bins)], ..Bins::default() });
        Self {
            rows: 0,
            sky: RowCounts::new(SKY_ORDER),
            bins: bins.collect(),
            grids: binning.grids.iter().map(|[x, y]| vec![0; x.1.bins * y.1.bins]).collect(),
            flags: vec![0; FLAG_BITS],
        }
    }

    async fn of_leaf(storage: &Storage, leaf: &str, binning: &Binning) -> Result<Self> {
        let damaged = |e: ParquetError| dataset::damaged(storage, leaf, e);
        let reader = dataset::open(storage, leaf).await?;
        let mask = columns(reader.schema(), reader.parquet_schema(), &binning.quantities());
        let mut batches = reader.with_projection(mask).build().map_err(damaged)?;
        let mut counts = Self::new(binning);
        while let Some(batch) = batches.try_next().await.map_err(damaged)? {
            counts.add(&batch, binning)?;
        }
        Ok(counts)
    }

    fn add(&mut self, batch: &RecordBatch, binning: &Binning) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let cells = batch.column_by_name(HEALPIX_COLUMN).and_then(|c| c.as_primitive_opt::<Int64Type>());
        cells.into_iter().flatten().flatten().for_each(|cell| self.sky.add(cell));
        for ((quantity, range), bins) in binning.bins.iter().zip(&mut self.bins) {
            quantity.values(batch)?.into_iter().for_each(|value| bins.add(value, range.as_ref()));
        }
        for ([(x, columns), (y, rows)], counts) in binning.grids.iter().zip(&mut self.grids) {
            for (x, y) in x.values(batch)?.into_iter().zip(y.values(batch)?) {
                if let (Some(x), Some(y)) = (columns.bin(x), rows.bin(y)) {
                    counts[y * columns.bins + x] += 1;
                }
            }
        }
        let flags = batch.column_by_name(FLAGS_COLUMN).and_then(|c| c.as_primitive_opt::<Int32Type>());
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

    use super::{super::quantity::Quantity, *};

    #[test]
    fn every_row_is_counted_once() {
        let range = AxisRange { low: 0.0, high: 10.0, log: false, bins: 5 };
        let a = || Quantity::Column("a".to_owned());
        let binning = Binning {
            bins: vec![(a(), Some(range)), (Quantity::Column("b".to_owned()), None)],
            grids: vec![[(a(), range), (a(), AxisRange { bins: 2, ..range })]],
        };
        let values = [-1.0, 0.0, 1.9, 2.0, 10.0, 11.0, f32::NAN, f32::INFINITY, 9.0];
        let columns: [(&str, ArrayRef); 3] = [
            (HEALPIX_COLUMN, Arc::new(Int64Array::from_iter_values((0..9).map(|i| i << 56)))),
            ("a", Arc::new(Float32Array::from(values.to_vec()))),
            (FLAGS_COLUMN, Arc::new((0..9).map(|i| (i != 3).then_some(i)).collect::<Int32Array>())),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let (mut counts, mut other) = (Counts::new(&binning), Counts::new(&binning));
        counts.add(&batch.slice(0, 4), &binning).unwrap();
        other.add(&batch.slice(4, 5), &binning).unwrap();
        counts.merge(&other);
        assert_eq!((counts.rows, counts.sky.total()), (9, 9));
        assert_eq!((&counts.bins[0].counts[..], counts.bins[0].beyond), (&[2, 1, 0, 0, 2][..], [1, 1]));
        assert_eq!((counts.bins[0].finite(), counts.bins[1].finite()), (7, 0));
        assert_eq!(counts.grids[0], [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        // Rows 0 to 8 without row 3.
        assert_eq!(counts.flags[..4], [3, 3, 4, 1]);
    }
}
