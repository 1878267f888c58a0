//! `losses.svg`: training and validation loss against steps.

use plotters::prelude::*;

use super::losses::LossRecord;
use crate::error::{Error, ErrorKind, Result};

const SIZE: (u32, u32) = (800, 480);
const TRAINING: RGBColor = RGBColor(70, 110, 180);
const VALIDATION: RGBColor = RGBColor(220, 120, 30);

/// Draws the losses as an SVG image.
pub(super) fn losses_svg(records: &[LossRecord]) -> Result<String> {
    let mut svg = String::new();
    draw(records, &mut svg)
        .map_err(|e| Error::new(ErrorKind::Io, "the losses cannot be drawn").source(e.to_string()))?;
    Ok(svg)
}

fn draw(records: &[LossRecord], svg: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let training: Vec<(f64, f64)> = records.iter().map(|r| (r.step as f64, r.train_loss)).collect();
    let validation: Vec<(f64, f64)> =
        records.iter().filter_map(|r| Some((r.step as f64, r.validation_loss?))).collect();
    let all = || training.iter().chain(&validation);
    let last = all().map(|p| p.0).fold(1.0, f64::max);
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p.1), h.max(p.1)));
    let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
    let margin = 0.05 * (high - low).max(1e-3);

    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)?;
    chart.configure_mesh().x_desc("step").y_desc("loss").light_line_style(WHITE).draw()?;
    for (name, points, colour) in [("training", training, TRAINING), ("validation", validation, VALIDATION)] {
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK.mix(0.3)).draw()?;
    area.present()?;
    Ok(())
}
