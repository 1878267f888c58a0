//! Timelines of who worked when.

use lamcat_core::error::Result;
use plotters::{
    prelude::{ChartBuilder, Color, Rectangle, Text},
    style::{
        BLACK, IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    Axis, Colour,
    colour::ColourScale,
    draw::{heading, svg_image},
    legend,
    scale::Scale,
    style::{Area, Drawn, FONT, GRID, UNIT},
};

/// Width of the image and minimum width of a bar, in pixels.
const WIDTH: i32 = 900;
const SMALLEST: f64 = 2.0;
/// Height of a row in pixels.
const ROW: i32 = 18;
/// Maximum number of rows.
const MOST_ROWS: usize = 40;
/// Space for the names of lanes, for the kinds of bars, and for the axis, in pixels.
const NAMES: i32 = 190;
const KINDS: i32 = 28;
const AXIS: i32 = 56;

/// One bar per piece of work over time, in one lane per worker; a lane has as many rows as the worker did things at
/// once.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Heading; empty for none.
    pub title: String,
    /// Label of the axis.
    pub x: String,
    /// Names of the kinds of work, each of which has its own colour.
    pub kinds: Vec<String>,
    /// The workers with their pieces of work.
    pub lanes: Vec<(String, Vec<Span>)>,
}

/// A piece of work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// When it began.
    pub begin: f64,
    /// When it ended.
    pub end: f64,
    /// Index of its kind.
    pub kind: usize,
}

impl Timeline {
    /// Returns the timeline as an SVG image, 900 pixels wide and as high as its rows, which are at most 40, need. Bars
    /// less than a pixel apart are joined.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        let rows = self.rows();
        let height = 44 + KINDS + ROW * rows.len().clamp(1, MOST_ROWS) as i32 + AXIS;
        svg_image((WIDTH, height), |whole| self.draw(&rows, whole))
    }

    /// Returns the first and last moment of all spans.
    fn limits(&self) -> (f64, f64) {
        let spans = self.lanes.iter().flat_map(|lane| &lane.1).filter(|s| s.begin.is_finite() && s.end.is_finite());
        spans.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), s| (l.min(s.begin), h.max(s.end)))
    }

    /// Returns the rows from the top, each with the name of its lane.
    fn rows(&self) -> Vec<(&str, Vec<Span>)> {
        let (low, high) = self.limits();
        let pixel = (high - low).max(0.0) / f64::from(WIDTH - NAMES);
        let rows = self
            .lanes
            .iter()
            .flat_map(|(name, spans)| packed(spans, pixel).into_iter().map(move |row| (name.as_str(), row)));
        rows.collect()
    }

    fn draw(&self, rows: &[(&str, Vec<Span>)], whole: &Area) -> Drawn {
        let top = heading(&self.title, whole)?;
        let plain = ColourScale { low: 0.0, high: 1.0, log: false };
        let mut left = NAMES * UNIT;
        for (kind, name) in self.kinds.iter().enumerate() {
            let y = top + 10 * UNIT;
            let colour = Colour::Palette(kind).rgb(plain).filled();
            whole.draw(&Rectangle::new([(left, y - 6 * UNIT), (left + 18 * UNIT, y + 6 * UNIT)], colour))?;
            whole.draw(&Text::new(name.clone(), (left + 24 * UNIT, y), legend::text_style()))?;
            left += 24 * UNIT + legend::text_width(name) + 18 * UNIT;
        }
        let shown = &rows[..rows.len().min(MOST_ROWS)];
        let scale = Scale::new(&Axis::default(), self.limits(), false);
        let mut context = ChartBuilder::on(whole)
            .margin_top(top + KINDS * UNIT)
            .margin_left(NAMES * UNIT)
            .margin_right(18 * UNIT)
            .margin_bottom(8 * UNIT)
            .x_label_area_size(48 * UNIT)
            .build_cartesian_2d(scale.clone(), (shown.len().max(1) as f64)..0.0)?;
        context
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc(scale.label(&self.x))
            .bold_line_style(GRID.stroke_width(UNIT as u32))
            .axis_style(BLACK.stroke_width(UNIT as u32))
            .label_style(("sans-serif", FONT))
            .axis_desc_style(("sans-serif", FONT * 11 / 10))
            .set_all_tick_mark_size(5 * UNIT)
            .draw()?;
        let smallest = (self.limits().1 - self.limits().0).max(0.0) * SMALLEST / f64::from(WIDTH - NAMES);
        for (row, (_, spans)) in shown.iter().enumerate() {
            let (upper, lower) = (row as f64 + 0.12, row as f64 + 0.88);
            let bars = spans.iter().map(|span| {
                // A gap between bars, if they are wide enough.
                let end = (span.end - 0.4 * smallest).max(span.begin + smallest);
                let colour = Colour::Palette(span.kind).rgb(plain).filled();
                Rectangle::new([(span.begin, upper), (end, lower)], colour)
            });
            context.draw_series(bars)?;
        }
        let style = TextStyle::from(("sans-serif", FONT).into_font()).pos(Pos::new(HPos::Right, VPos::Center));
        let mut last = "";
        let first_y = top + KINDS * UNIT;
        for (row, (name, _)) in shown.iter().enumerate().filter(|(_, (name, _))| !name.is_empty()) {
            if *name != last {
                let y = first_y + ROW * UNIT * row as i32 + ROW * UNIT / 2;
                whole.draw(&Text::new(legend::shortened(name), ((NAMES - 8) * UNIT, y), style.clone()))?;
            }
            last = name;
        }
        if rows.len() > shown.len() {
            let text = format!("and {} rows more", rows.len() - shown.len());
            let y = first_y + ROW * UNIT * shown.len() as i32 + 24 * UNIT;
            whole.draw(&Text::new(text, ((NAMES - 8) * UNIT, y), style))?;
        }
        Ok(())
    }
}

/// Distributes spans over as few rows as their overlaps allow; spans of one kind in a row that are less than `gap`
/// apart are joined.
fn packed(spans: &[Span], gap: f64) -> Vec<Vec<Span>> {
    let mut sorted: Vec<Span> = spans.iter().copied().filter(|s| s.begin.is_finite() && s.end >= s.begin).collect();
    sorted.sort_by(|a, b| a.begin.total_cmp(&b.begin));
    let mut ends: Vec<f64> = Vec::new();
    let mut rows: Vec<Vec<Span>> = Vec::new();
    for span in sorted {
        // Clocks differ slightly: a span that ends as another begins does not overlap it.
        let free = ends.iter().position(|end| *end <= span.begin + 0.5 * gap);
        let row = free.unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(Vec::new());
            ends.push(span.end);
        }
        ends[row] = ends[row].max(span.end);
        let small = |s: &Span| s.end - s.begin < gap;
        match rows[row].last_mut() {
            Some(last) if last.kind == span.kind && span.begin - last.end < gap && (small(last) || small(&span)) => {
                last.end = last.end.max(span.end);
            }
            _ => rows[row].push(span),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(begin: f64, end: f64) -> Span {
        Span { begin, end, kind: 0 }
    }

    #[test]
    fn spans_that_overlap_are_in_rows_of_their_own() {
        let rows = packed(&[span(5.0, 9.0), span(0.0, 4.0), span(1.0, 6.0), span(4.0, 5.0)], 0.01);
        assert_eq!(rows, [vec![span(0.0, 4.0), span(4.0, 5.0), span(5.0, 9.0)], vec![span(1.0, 6.0)]]);
    }

    #[test]
    fn a_million_spans_are_no_million_marks() {
        let spans: Vec<Span> = (0..1_000_000).map(|i| span(f64::from(i), f64::from(i) + 0.9)).collect();
        let timeline = Timeline { lanes: vec![("a:1".to_owned(), spans)], ..Timeline::default() };
        assert!(timeline.svg().unwrap().len() < 200_000);
    }

    #[test]
    fn nothing_and_nonsense_are_drawn_too() {
        let lanes = vec![("<a&b>".to_owned(), vec![span(f64::NAN, 1.0), span(3.0, 2.0), span(7.0, 7.0)])];
        let timeline =
            Timeline { lanes, kinds: vec!["unit".to_owned()], x: "time [s]".to_owned(), title: String::new() };
        let svg = timeline.svg().unwrap();
        assert!(svg.contains("&lt;a&amp;b&gt;") && !svg.contains("NaN"), "{svg}");
        assert!(Timeline::default().svg().unwrap().starts_with("<svg"));
    }
}
