//! The legend at the right of a chart: the names of its series, and its colour bar.

use plotters::{
    coord::ranged1d::Ranged,
    prelude::{Circle, Color, IntoFont, PathElement, Rectangle, Text, TextStyle},
    style::{
        BLACK,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Axis, Chart, Marks, Series,
    colour::{ColourScale, on_scale},
    scale::Scale,
    style::{Area, Drawn, FONT, UNIT},
};

const LINE_HEIGHT: i32 = 20 * UNIT;
const BAR_HEIGHT: i32 = 220 * UNIT;
const BAR_WIDTH: i32 = 14 * UNIT;
const BAR_STEPS: i32 = 64;
/// Approximate width of a letter in units.
const LETTER: i32 = 17 * UNIT / 2;
const LONGEST_NAME: usize = 28;
/// Maximum number of names that fit.
const MOST_NAMES: usize = 22;

/// Width of the legend in units; 0 if it would be empty.
pub(super) fn width(chart: &Chart) -> i32 {
    let longest = names(chart).map(|s| s.name.chars().count().min(LONGEST_NAME)).max();
    let names = longest.map_or(0, |n| 52 * UNIT + LETTER * n as i32);
    let bar = if chart.colour.is_empty() { 0 } else { bar_width(&chart.colour) };
    names.max(bar)
}

/// Returns the approximate width of a text in units.
pub(super) fn text_width(text: &str) -> i32 {
    LETTER * text.chars().count() as i32
}

/// Returns the width in units of a colour bar with its label.
pub(super) fn bar_width(label: &str) -> i32 {
    14 * UNIT + LETTER * (label.chars().count().clamp(8, LONGEST_NAME) as i32 + 2)
}

fn names(chart: &Chart) -> impl Iterator<Item = &Series> {
    chart.series.iter().filter(|s| !s.name.is_empty())
}

/// Draws the legend.
pub(super) fn draw(chart: &Chart, area: &Area, scale: ColourScale) -> Drawn {
    let left = 14 * UNIT;
    let mut top = 14 * UNIT;
    let text = text_style();
    for series in names(chart).take(MOST_NAMES) {
        sample(series, area, (left, top), scale)?;
        area.draw(&Text::new(shortened(&series.name), (left + 24 * UNIT, top), text.clone()))?;
        top += LINE_HEIGHT;
    }
    let more = names(chart).count().saturating_sub(MOST_NAMES);
    if more > 0 {
        area.draw(&Text::new(format!("and {more} more"), (left + 24 * UNIT, top), text))?;
        top += LINE_HEIGHT;
    }
    if !chart.colour.is_empty() && scale.low <= scale.high {
        bar(&chart.colour, area, (left, top), scale)?;
    }
    Ok(())
}

/// Draws a sample of the marks of a series in front of its name.
fn sample(series: &Series, area: &Area, (left, y): (i32, i32), scale: ColourScale) -> Drawn {
    let colour = series.colour.rgb(scale);
    let (right, half) = (left + 18 * UNIT, 5 * UNIT);
    match &series.marks {
        Marks::Line(_) => {
            area.draw(&PathElement::new([(left, y), (right, y)], colour.stroke_width(2 * UNIT as u32)))?;
        }
        Marks::Band(_) => {
            area.draw(&Rectangle::new([(left, y - half), (right, y + half)], colour.mix(0.25).filled()))?;
        }
        Marks::Bars(_) | Marks::HeatMap(_) => {
            area.draw(&Rectangle::new([(left, y - half), (right, y + half)], colour.mix(0.6).filled()))?;
        }
        Marks::Points(_) | Marks::ColouredPoints(_) => {
            area.draw(&Circle::new((i32::midpoint(left, right), y), 3 * UNIT, colour.filled()))?;
        }
    }
    Ok(())
}

/// Draws a colour bar with its label above and its ticks at the right.
pub(super) fn bar(label: &str, area: &Area, (left, top): (i32, i32), scale: ColourScale) -> Drawn {
    let axis = Axis { log: scale.log, ..Axis::default() };
    let ticks = Scale::new(&axis, (scale.low, scale.high), false);
    area.draw(&Text::new(shortened(&ticks.label(label)), (left, top), text_style()))?;
    let top = top + LINE_HEIGHT;
    let bottom = top + BAR_HEIGHT;
    // Each step covers the bottom of the one above, so that no seam is visible between them.
    for i in (0..BAR_STEPS).rev() {
        let value = ticks.at((f64::from(i) + 0.5) / f64::from(BAR_STEPS));
        let step = [(left, bottom - BAR_HEIGHT * (i + 1) / BAR_STEPS), (left + BAR_WIDTH, bottom)];
        area.draw(&Rectangle::new(step, on_scale(value, scale).filled()))?;
    }
    for tick in ticks.ticks() {
        let y = ticks.map(&tick, (bottom, top));
        let right = left + BAR_WIDTH;
        area.draw(&PathElement::new([(right, y), (right + 4 * UNIT, y)], BLACK.stroke_width(UNIT as u32)))?;
        area.draw(&Text::new(ticks.text(tick), (right + 7 * UNIT, y), text_style()))?;
    }
    Ok(())
}

pub(super) fn shortened(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// The style of a text whose anchor is its left end, vertically centred.
pub(super) fn text_style() -> TextStyle<'static> {
    TextStyle::from(("sans-serif", FONT).into_font()).pos(Pos::new(HPos::Left, VPos::Center))
}
