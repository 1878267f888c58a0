//! `losses.svg`: training and validation loss against steps.

use lamcat_core::error::Result;
use lamcat_plot::{Axis, Chart, Colour, Marks, Series};

use super::losses::LossRecord;

/// Draws the losses as an SVG image.
pub(super) fn losses_svg(records: &[LossRecord]) -> Result<String> {
    let line = |loss: fn(&LossRecord) -> Option<f64>| {
        Marks::Line(records.iter().filter_map(|r| Some((r.step as f64, loss(r)?))).collect())
    };
    let chart = Chart {
        x: Axis::new("step"),
        y: Axis::new("loss"),
        series: vec![
            Series::new("training", line(|r| Some(r.train_loss)), Colour::Palette(0)),
            Series::new("validation", line(|r| r.validation_loss), Colour::Palette(1)),
        ],
        ..Chart::default()
    };
    chart.svg()
}
