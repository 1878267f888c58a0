//! The plots of a report.

use std::f64::consts::TAU;

use lamcat_core::error::Result;
use lamcat_plot::{Axis, Chart, Colour, Marks, Series, SkyMap};
use lamcat_release::tiles::{RowCounts, pixels};

use super::{
    axis_range::AxisRange,
    binning::PULLS,
    counts::{Bins, Counts},
};

/// Area of the sky in square degrees.
const SKY_AREA: f64 = 41_252.961_249_419_28;
/// Largest number of pixels of a map, mean number of rows that a pixel should have, and order of the coarsest map.
const MOST_PIXELS: usize = 3072;
const WANTED_ROWS: u64 = 4;
const COARSEST: u8 = 2;
/// Number of points of a curve.
const CURVE: usize = 100;

/// The counts of a release, and its name in the legends of plots.
#[derive(Clone, Copy)]
pub(super) struct NamedCounts<'a> {
    pub(super) name: &'a str,
    pub(super) counts: &'a Counts,
}

/// A map of the density on the sky, in the smallest pixels that still hold enough rows each.
pub(super) fn sky(counts: &RowCounts) -> Result<String> {
    let fine = |counts: &RowCounts| {
        let occupied = counts.rows.len();
        occupied <= MOST_PIXELS && counts.total() >= WANTED_ROWS * occupied as u64
    };
    let orders = (COARSEST..=counts.order).rev().map(|order| counts.at_order(order));
    let map = orders.into_iter().find(fine).unwrap_or_else(|| counts.at_order(COARSEST));
    let area = SKY_AREA / pixels(map.order) as f64;
    SkyMap {
        title: String::new(),
        colour: "rows / deg²".to_owned(),
        log_colour: true,
        order: map.order,
        pixels: map.rows.iter().map(|(pixel, rows)| (*pixel, *rows as f64 / area)).collect(),
    }
    .svg()
}

/// A density plot of two quantities; small if it has a title.
pub(super) fn density(title: &str, axes: [&Axis; 2], ranges: [&AxisRange; 2], counts: &[u64]) -> Result<String> {
    let [columns, rows] = ranges;
    let cell = |(i, count): (usize, &u64)| {
        let (x, y) = (i % columns.bins, i / columns.bins);
        // Empty cells have no colour, but they determine the width of their neighbours.
        (columns.at(x as f64 + 0.5), rows.at(y as f64 + 0.5), *count as f64)
    };
    let cells = counts.iter().enumerate().map(cell).collect();
    Chart {
        title: title.to_owned(),
        compact: !title.is_empty(),
        x: Axis { log: columns.log, ..axes[0].clone() },
        y: Axis { log: rows.log, ..axes[1].clone() },
        colour: "rows".to_owned(),
        log_colour: true,
        series: vec![Series::new("", Marks::HeatMap(cells), Colour::Grey)],
    }
    .svg()
}

/// A histogram, with that of the previous release drawn over it if there is one.
pub(super) fn histogram(
    title: &str,
    label: &str,
    range: &AxisRange,
    bins: usize,
    new: NamedCounts,
    old: Option<NamedCounts>,
) -> Result<String> {
    let bars = shares(&new.counts.bins[bins]).enumerate();
    let bars = bars.map(|(i, share)| (range.at(i as f64), range.at(i as f64 + 1.0), 100.0 * share));
    let mut series = vec![Series::new(new.name, Marks::Bars(bars.collect()), Colour::Palette(0))];
    if let Some(old) = old.filter(|old| old.counts.bins[bins].finite() > 0) {
        let steps = steps(&old.counts.bins[bins], range, 100.0);
        series.push(Series::new(old.name, Marks::Line(steps), Colour::Palette(1)));
    }
    Chart {
        title: title.to_owned(),
        compact: true,
        x: Axis { log: range.log, ..Axis::new(label) },
        y: Axis::new("share of the rows [%]"),
        series,
        ..Chart::default()
    }
    .svg()
}

/// A histogram of (value - truth) / error, with the normal distribution that it should follow.
pub(super) fn pulls(title: &str, bins: usize, new: NamedCounts, old: Option<NamedCounts>) -> Result<String> {
    let per_unit = PULLS.bins as f64 / (PULLS.high - PULLS.low);
    let bars = shares(&new.counts.bins[bins]).enumerate();
    let bars = bars.map(|(i, share)| (PULLS.at(i as f64), PULLS.at(i as f64 + 1.0), per_unit * share));
    let mut series = vec![Series::new(new.name, Marks::Bars(bars.collect()), Colour::Palette(0))];
    if let Some(old) = old.filter(|old| old.counts.bins[bins].finite() > 0) {
        let steps = steps(&old.counts.bins[bins], &PULLS, per_unit);
        series.push(Series::new(old.name, Marks::Line(steps), Colour::Palette(1)));
    }
    let normal = (0..=CURVE).map(|i| PULLS.low + (PULLS.high - PULLS.low) * i as f64 / CURVE as f64);
    let normal = normal.map(|x| (x, (-0.5 * x * x).exp() / TAU.sqrt())).collect();
    series.push(Series::new("unit normal", Marks::Line(normal), Colour::Palette(7)));
    Chart {
        title: title.to_owned(),
        compact: true,
        x: Axis::new("(value - truth) / predicted error"),
        y: Axis::new("density"),
        series,
        ..Chart::default()
    }
    .svg()
}

/// For each bin, the fraction of the rows with a value that are in it.
fn shares(bins: &Bins) -> impl Iterator<Item = f64> + '_ {
    bins.counts.iter().map(|count| *count as f64 / bins.finite().max(1) as f64)
}

/// The outline of a histogram.
fn steps(bins: &Bins, range: &AxisRange, factor: f64) -> Vec<(f64, f64)> {
    let steps = shares(bins).enumerate().flat_map(|(i, share)| {
        let height = factor * share;
        [(range.at(i as f64), height), (range.at(i as f64 + 1.0), height)]
    });
    steps.collect()
}

/// Fraction of the pulls within `sigma`, which must be an edge of the bins.
pub(super) fn within(bins: &Bins, sigma: f64) -> f64 {
    let inside = bins.counts.iter().enumerate().filter(|(i, _)| PULLS.at(*i as f64 + 0.5).abs() < sigma);
    inside.map(|(_, count)| *count).sum::<u64>() as f64 / bins.finite().max(1) as f64
}

#[cfg(test)]
mod tests {
    use lamcat_release::tiles::Tile;

    use super::*;

    #[test]
    fn pulls_within_a_sigma_are_those_of_its_bins() {
        let mut bins = Bins { counts: vec![0; PULLS.bins], ..Bins::default() };
        for pull in [-4.9, -1.5, -0.99, 0.0, 0.5, 1.01, 1.99, 2.01, 7.0] {
            bins.values.add(pull);
            if let Some(bin) = PULLS.bin(pull) {
                bins.counts[bin] += 1;
            }
        }
        assert!((within(&bins, 1.0) - 3.0 / 9.0).abs() < 1e-12);
        assert!((within(&bins, 2.0) - 6.0 / 9.0).abs() < 1e-12);
        assert!(within(&Bins::default(), 1.0).abs() < 1e-12);
    }

    #[test]
    fn few_rows_are_mapped_coarsely() {
        let map = |rows: i64| {
            let mut counts = RowCounts::new(5);
            // One row in every (12 · 4^5 / rows)-th pixel.
            (0..rows).for_each(|i| counts.add(Tile::new(5, (12_288 * i / rows) as u64).unwrap().range().0));
            sky(&counts).unwrap().matches("<polygon").count()
        };
        let (few, many) = (map(400), map(12_288));
        assert!((100..400).contains(&few), "{few}");
        assert!((3000..4000).contains(&many), "{many}");
    }
}
