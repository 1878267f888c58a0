//! The range of values over which a quantity is drawn: the range of a sample of the rows, without the lowest and the
//! highest half percent.

use arrow::array::RecordBatch;
use datafusion::parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{RowSelection, RowSelector},
    },
    errors::ParquetError,
};
use futures::TryStreamExt;
use lamcat_core::error::Result;
use lamcat_release::{Storage, dataset};

use super::quantity::Quantity;

/// A sample is taken from this many leaves, spread evenly over the sky. In each leaf it has this many stretches of
/// consecutive rows, and each stretch has this many rows.
const LEAVES: usize = 32;
const STRETCHES: usize = 8;
const STRETCH_ROWS: usize = 256;
/// Fraction of the rows that lie beyond each end of the range.
const BEYOND: f64 = 0.005;
/// Fraction of the range that is added at each end.
const MARGIN: f64 = 0.05;
/// Positive values are drawn on a logarithmic axis if the ends of their range have a ratio larger than this.
const DECADES: f64 = 30.0;

/// A range of values, divided into bins of equal width, on a linear or a logarithmic scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AxisRange {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    pub(super) bins: usize,
}

impl AxisRange {
    /// The range of the values of a sample; `None` if none of them is finite. This sorts the values.
    pub(super) fn of(values: &mut Vec<f64>, bins: usize) -> Option<Self> {
        values.retain(|v| v.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let (first, last) = (*values.first()?, *values.last()?);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        let (low, high) = (at(BEYOND), at(1.0 - BEYOND));
        let log = first > 0.0 && high / low > DECADES;
        let plain = Self { low, high, log, bins };
        let margin = MARGIN * (plain.linear(high) - plain.linear(low));
        let low = plain.unlinear(plain.linear(low) - margin).max(first);
        let high = plain.unlinear(plain.linear(high) + margin).min(last);
        let range = if high > low {
            Self { low, high, ..plain }
        } else {
            let half = if low == 0.0 { 0.5 } else { 0.05 * low.abs() };
            Self { low: low - half, high: high + half, log: false, bins }
        };
        // Near the largest possible numbers, bins would have no finite width.
        ((range.high - range.low).is_finite() && range.high > range.low).then_some(range)
    }

    fn linear(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    fn unlinear(&self, place: f64) -> f64 {
        if self.log { 10f64.powf(place) } else { place }
    }

    /// The bin that contains a value; `None` if the value is not between `low` and `high`.
    pub(super) fn bin(&self, value: f64) -> Option<usize> {
        if !(self.low..=self.high).contains(&value) {
            return None;
        }
        let (low, high) = (self.linear(self.low), self.linear(self.high));
        let place = (self.linear(value) - low) / (high - low) * self.bins as f64;
        Some((place as usize).min(self.bins.saturating_sub(1)))
    }

    /// The value that lies `bins` bin widths above `low`.
    pub(super) fn at(&self, bins: f64) -> f64 {
        let (low, high) = (self.linear(self.low), self.linear(self.high));
        self.unlinear(low + bins / self.bins as f64 * (high - low))
    }
}

/// Values of quantities in a sample of the rows of leaves, at most 65 536 rows.
///
/// # Errors
/// If a leaf cannot be read.
pub(super) async fn sample(storage: &Storage, leaves: &[String], quantities: &[Quantity]) -> Result<Vec<Vec<f64>>> {
    let mut values = vec![Vec::new(); quantities.len()];
    let count = leaves.len().min(LEAVES);
    for leaf in (0..count).map(|i| &leaves[i * leaves.len() / count]) {
        for batch in stretches(storage, leaf, quantities).await? {
            for (quantity, values) in quantities.iter().zip(&mut values) {
                values.extend(quantity.values(&batch)?);
            }
        }
    }
    Ok(values)
}

async fn stretches(storage: &Storage, leaf: &str, quantities: &[Quantity]) -> Result<Vec<RecordBatch>> {
    let damaged = |e: ParquetError| dataset::damaged(storage, leaf, e);
    let reader = dataset::open(storage, leaf).await?;
    let mask = columns(reader.schema(), reader.parquet_schema(), quantities);
    let rows = reader.metadata().file_metadata().num_rows().max(0) as usize;
    let reader = reader.with_projection(mask).with_row_selection(selection(rows));
    reader.build().map_err(damaged)?.try_collect().await.map_err(damaged)
}

/// The columns that quantities need, as far as they exist.
pub(super) fn columns(
    schema: &arrow::datatypes::Schema,
    parquet: &datafusion::parquet::schema::types::SchemaDescriptor,
    quantities: &[Quantity],
) -> ProjectionMask {
    let wanted = |name: &String| quantities.iter().any(|q| q.columns().contains(&name.as_str()));
    let roots = schema.fields().iter().enumerate().filter(|(_, field)| wanted(field.name())).map(|(i, _)| i);
    ProjectionMask::roots(parquet, roots)
}

/// Selects stretches that are spread evenly over the rows of a leaf, or all of its rows if they are few.
fn selection(rows: usize) -> RowSelection {
    let part = rows / STRETCHES;
    if part <= STRETCH_ROWS {
        return vec![RowSelector::select(rows.min(STRETCHES * STRETCH_ROWS))].into();
    }
    let pair = [RowSelector::select(STRETCH_ROWS), RowSelector::skip(part - STRETCH_ROWS)];
    vec![pair; STRETCHES].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_widen_the_range() {
        let mut values: Vec<f64> = (0..10_000).map(|i| 4000.0 + f64::from(i) / 5.0).collect();
        values.extend([f64::NAN, f64::INFINITY, 1e30, -1e30]);
        let range = AxisRange::of(&mut values, 40).unwrap();
        assert!((3800.0..4010.0).contains(&range.low) && (5990.0..6200.0).contains(&range.high), "{range:?}");
        assert!(!range.log && range.bin(1e30).is_none() && range.bin(f64::NAN).is_none());
        assert_eq!((range.bin(range.low), range.bin(range.high)), (Some(0), Some(39)));
    }

    #[test]
    fn what_spans_decades_is_drawn_by_its_logarithm() {
        let mut values: Vec<f64> = (0..1000).map(|i| 10f64.powf(f64::from(i) / 250.0)).collect();
        let range = AxisRange::of(&mut values, 4).unwrap();
        assert!(range.log && (range.at(2.0).log10() - 2.0).abs() < 0.05, "{range:?}");
        assert_eq!(range.bin(150.0), Some(2));
        values.push(0.0);
        assert!(!AxisRange::of(&mut values, 4).unwrap().log);
    }

    #[test]
    fn constants_and_nothing_have_a_range_or_none() {
        for value in [0.0, 5000.0, -2.0, 1e-30, f64::MAX / 4.0] {
            let range = AxisRange::of(&mut vec![value; 9], 10).unwrap();
            assert!(range.bin(value).is_some() && range.low < range.high, "{range:?}");
        }
        assert_eq!(AxisRange::of(&mut vec![f64::NAN; 9], 10), None);
        assert_eq!(AxisRange::of(&mut Vec::new(), 10), None);
        assert_eq!(AxisRange::of(&mut vec![f64::MIN, f64::MAX], 10), None);
    }

    #[test]
    fn stretches_are_spread_over_a_leaf() {
        assert_eq!(selection(100).row_count(), 100);
        assert_eq!(selection(0).row_count(), 0);
        let large = selection(1_000_000);
        assert_eq!(large.row_count(), STRETCHES * STRETCH_ROWS);
        assert!(large.iter().map(|s| s.row_count).sum::<usize>() <= 1_000_000);
    }
}
