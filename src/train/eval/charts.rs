//! The pictures of the report.

use lamcat_core::error::Result;
use lamcat_plot::{Axis, Chart, Colour, Marks, Series};

use super::{
    evaluate::LabelResult,
    inpainting::Inpainting,
    metrics::{PIT_BINS, calibration, percentile},
    predictions::Predictions,
};

/// Maximum number of stars drawn as points; the stars are in random order.
const POINTS: usize = 2000;
/// Number of bins, with equal numbers of stars, over which residuals are summarised.
const STRETCHES: usize = 12;
/// Number of steps of a calibration curve.
const STEPS: usize = 50;

/// Labels that span decades, drawn on logarithmic axes.
const LOGARITHMIC: [&str; 1] = ["g_fakemag"];

/// Returns an axis for a label's values.
fn axis(result: &LabelResult, what: &str) -> Axis {
    let log = LOGARITHMIC.contains(&result.label.as_str());
    Axis { log, ..Axis::new(format!("{what} {}", result.with_unit())) }
}

/// Draws predictions against true values.
pub(super) fn predicted(result: &LabelResult) -> Result<String> {
    let p = &result.predictions;
    let points = p.truth.iter().copied().zip(p.mean.iter().copied()).take(POINTS).collect();
    let x = axis(result, "true");
    let ends = ends(&p.truth, x.log);
    Chart {
        title: format!("{} from {}", result.label, result.inputs),
        x,
        y: axis(result, "predicted"),
        series: vec![
            Series::new("stars", Marks::Points(points), Colour::Palette(0)),
            Series::new("equal", Marks::Line(ends.map(|v| (v, v)).to_vec()), Colour::Grey),
        ],
        ..Chart::default()
    }
    .svg()
}

/// Draws truth minus prediction against truth.
pub(super) fn residuals(result: &LabelResult) -> Result<String> {
    let p = &result.predictions;
    let points = p.truth.iter().copied().zip(p.residuals()).take(POINTS).collect();
    let (medians, band) = stretches(p);
    let x = axis(result, "true");
    let ends = ends(&p.truth, x.log);
    Chart {
        title: format!("residuals of {} from {}", result.label, result.inputs),
        x,
        y: Axis::new(format!("true - predicted {}", result.with_unit())),
        series: vec![
            Series::new("stars", Marks::Points(points), Colour::Palette(0)),
            Series::new("16 to 84 %", Marks::Band(band), Colour::Palette(1)),
            Series::new("median", Marks::Line(medians), Colour::Palette(1)),
            Series::new("", Marks::Line(ends.map(|v| (v, 0.0)).to_vec()), Colour::Grey),
        ],
        ..Chart::default()
    }
    .svg()
}

/// Draws histograms of the probability integral transform, one per set of inputs.
pub(super) fn pit(results: &[&LabelResult]) -> Result<String> {
    let steps = |result: &LabelResult| -> Vec<(f64, f64)> {
        let density = |n: usize| n as f64 * PIT_BINS as f64 / result.metrics.stars as f64;
        let edge = |i: usize| i as f64 / PIT_BINS as f64;
        let bins = result.metrics.pit.iter().enumerate();
        bins.flat_map(|(i, n)| [(edge(i), density(*n)), (edge(i + 1), density(*n))]).collect()
    };
    by_inputs(results, "probability integral transform", "density", vec![(0.0, 1.0), (1.0, 1.0)], steps)
}

/// Draws the share of stars inside the central interval of each nominal probability, one curve per set of inputs.
pub(super) fn calibration_curve(results: &[&LabelResult]) -> Result<String> {
    let curve = |result: &LabelResult| calibration(&result.predictions, STEPS);
    let axes = ("nominal probability of the central interval", "share of stars inside");
    by_inputs(results, axes.0, axes.1, vec![(0.0, 0.0), (1.0, 1.0)], curve)
}

fn by_inputs(
    results: &[&LabelResult],
    x: &str,
    y: &str,
    nominal: Vec<(f64, f64)>,
    line: impl Fn(&LabelResult) -> Vec<(f64, f64)>,
) -> Result<String> {
    let series = |(i, result): (usize, &&LabelResult)| {
        Series::new(result.inputs.name(), Marks::Line(line(result)), Colour::Palette(i))
    };
    let mut all: Vec<Series> = results.iter().enumerate().map(series).collect();
    all.push(Series::new("nominal", Marks::Line(nominal), Colour::Grey));
    let title = results.first().map(|r| r.label.clone()).unwrap_or_default();
    Chart { title, x: Axis::new(x), y: Axis::new(y), series: all, ..Chart::default() }.svg()
}

/// Draws the scatter of each coefficient about its prediction from the other band, and about the training median.
pub(super) fn coefficients(band: &Inpainting) -> Result<String> {
    let order = |name: &str| name.trim_start_matches(char::is_alphabetic).parse().unwrap_or(f64::NAN);
    let line = |value: fn(&super::inpainting::Coefficient) -> f64| {
        Marks::Line(band.coefficients.iter().map(|c| (order(&c.name), value(c))).collect())
    };
    Chart {
        title: format!("{}: scatter of the coefficients", band.inputs),
        x: Axis::new("order of the coefficient"),
        y: Axis::new("mad_std of truth - prediction [scale of the token]"),
        series: vec![
            Series::new("model", line(|c| c.mad_std), Colour::Palette(0)),
            Series::new("predicted sigma (median)", line(|c| c.median_sigma), Colour::Palette(1)),
            Series::new("training median", line(|c| c.mad_std_of_median), Colour::Grey),
        ],
        ..Chart::default()
    }
    .svg()
}

/// Returns the smallest and the largest value that an axis can show.
fn ends(values: &[f64], log: bool) -> [f64; 2] {
    let shown = || values.iter().copied().filter(|v| !log || *v > 0.0);
    [shown().fold(f64::INFINITY, f64::min), shown().fold(f64::NEG_INFINITY, f64::max)]
}

/// Divides the stars by truth into bins with equal numbers of stars; returns the median residual at the middle of each
/// bin, and the 16th and 84th percentiles.
#[expect(clippy::type_complexity, reason = "a line and a band")]
fn stretches(p: &Predictions) -> (Vec<(f64, f64)>, Vec<(f64, f64, f64)>) {
    let mut stars: Vec<(f64, f64)> = p.truth.iter().copied().zip(p.residuals()).collect();
    stars.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut medians, mut band) = (Vec::new(), Vec::new());
    for stretch in stars.chunks(stars.len().div_ceil(STRETCHES).max(1)) {
        let middle = stretch[stretch.len() / 2].0;
        let mut residuals: Vec<f64> = stretch.iter().map(|s| s.1).collect();
        medians.push((middle, percentile(&mut residuals, 50.0)));
        band.push((middle, percentile(&mut residuals, 16.0), percentile(&mut residuals, 84.0)));
    }
    (medians, band)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_axis_has_no_place_for_what_is_not_positive() {
        let values = [-3.0, 20.0, 0.0, 5.0];
        let near = |got: [f64; 2], expected: [f64; 2]| got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12);
        assert!(near(ends(&values, true), [5.0, 20.0]) && near(ends(&values, false), [-3.0, 20.0]));
    }
}
