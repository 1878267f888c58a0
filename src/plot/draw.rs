//! Draws a chart as SVG.

use lamcat_core::error::{Error, ErrorKind, Result};
use plotters::{
    chart::ChartContext,
    coord::cartesian::Cartesian2d,
    prelude::{ChartBuilder, Circle, Color, IntoDrawingArea, PathElement, Polygon, Rectangle, SVGBackend, Text},
    style::{BLACK, RGBColor, WHITE},
};

use super::{
    Chart, Marks, Series,
    colour::{ColourScale, on_scale},
    legend,
    page::printable,
    scale::Scale,
    style::{Area, Drawn, FONT, GRID, UNIT},
};

/// Width and height of the image in pixels, for a normal and for a compact chart.
const SIZE: (i32, i32) = (900, 540);
const COMPACT: (i32, i32) = (600, 400);
/// Maximum number of dots drawn for one series.
const MOST_POINTS: usize = 5000;
/// Share of a heat map's cell that is covered by the next one, so that no seam is visible between them.
const OVERLAP: f64 = 0.15;
type Context<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Scale, Scale>>;

impl Chart {
    /// Returns the chart as an SVG image of 900 x 540 pixels, or of 600 x 400 if it is compact; characters that are not
    /// allowed in SVG are replaced.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        svg_image(self.size(), |whole| draw(self, whole))
    }

    fn size(&self) -> (i32, i32) {
        if self.compact { COMPACT } else { SIZE }
    }

    /// Returns the lowest and highest value of a coordinate that its axis can show; infinity and its negative if there
    /// are none.
    fn limits(&self, log: bool, coordinate: impl Fn(&Marks, &mut Vec<f64>)) -> (f64, f64) {
        let mut values = Vec::new();
        self.series.iter().for_each(|s| coordinate(&s.marks, &mut values));
        // An axis is only logarithmic if some value has a logarithm.
        let log = log && values.iter().any(|v| *v > 0.0 && v.is_finite());
        limits(values.into_iter().filter(|v| !log || *v > 0.0))
    }

    /// Returns the colour scale, from the lowest to the highest value.
    fn colour_scale(&self) -> ColourScale {
        let values = self.series.iter().flat_map(|s| match (&s.marks, s.colour) {
            (Marks::ColouredPoints(p) | Marks::HeatMap(p), _) => p.iter().map(|p| p.2).collect(),
            (_, super::Colour::Scale(value)) => vec![value],
            _ => Vec::new(),
        });
        colour_scale(values, self.log_colour)
    }
}

/// Returns the colour scale of values; those that cannot be placed on it are ignored.
pub(super) fn colour_scale(values: impl Iterator<Item = f64>, log: bool) -> ColourScale {
    let (low, high) = limits(values.filter(|v| !log || *v > 0.0));
    ColourScale { low, high, log }
}

/// Returns an image with the given size in pixels, with a white background and the content that `draw` draws;
/// characters that are not allowed in SVG are replaced.
pub(super) fn svg_image(size: (i32, i32), draw: impl FnOnce(&Area) -> Drawn) -> Result<String> {
    let (width, height) = (size.0 * UNIT, size.1 * UNIT);
    let mut svg = String::new();
    let whole = SVGBackend::with_string(&mut svg, (width as u32, height as u32)).into_drawing_area();
    let drawn = whole.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&whole));
    drawn
        .and_then(|()| whole.present().map_err(Into::into))
        .map_err(|e| Error::new(ErrorKind::Io, "the chart cannot be drawn").source(e.to_string()))?;
    drop(whole);
    let units = format!("width=\"{width}\" height=\"{height}\"");
    Ok(printable(&svg).replacen(&units, &format!("width=\"{}\" height=\"{}\"", size.0, size.1), 1))
}

/// Draws a heading at the top left; returns its height in units.
pub(super) fn heading(title: &str, whole: &Area) -> std::result::Result<i32, Box<dyn std::error::Error>> {
    if title.is_empty() {
        return Ok(12 * UNIT);
    }
    whole.draw(&Text::new(title.to_owned(), (18 * UNIT, 14 * UNIT), ("sans-serif", FONT * 5 / 4)))?;
    Ok(40 * UNIT)
}

fn limits(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
}

fn xs(marks: &Marks, out: &mut Vec<f64>) {
    match marks {
        Marks::Line(p) | Marks::Points(p) => out.extend(p.iter().map(|p| p.0)),
        Marks::ColouredPoints(p) | Marks::Band(p) => out.extend(p.iter().map(|p| p.0)),
        Marks::Bars(p) => out.extend(p.iter().flat_map(|p| [p.0, p.1])),
        Marks::HeatMap(p) => out.extend(edges(p.iter().map(|p| p.0)).into_iter().flat_map(|e| [e.1, e.2])),
    }
}

fn ys(marks: &Marks, out: &mut Vec<f64>) {
    match marks {
        Marks::Line(p) | Marks::Points(p) => out.extend(p.iter().map(|p| p.1)),
        Marks::ColouredPoints(p) => out.extend(p.iter().map(|p| p.1)),
        Marks::Band(p) => out.extend(p.iter().flat_map(|p| [p.1, p.2])),
        Marks::Bars(p) => out.extend(p.iter().map(|p| p.2).chain([0.0])),
        Marks::HeatMap(p) => out.extend(edges(p.iter().map(|p| p.1)).into_iter().flat_map(|e| [e.1, e.2])),
    }
}

/// Returns the distinct values, ascending, each with the edges of its cell, which are halfway to its neighbours.
fn edges(values: impl Iterator<Item = f64>) -> Vec<(f64, f64, f64)> {
    let mut all: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let between = |i: usize| f64::midpoint(all[i], all[i + 1]);
    let last = all.len().saturating_sub(1);
    let half = |i: usize| if last == 0 { 0.5 } else { (all[i + 1] - all[i]) / 2.0 };
    let low = |i: usize| if i == 0 { all[0] - half(0) } else { between(i - 1) };
    let high = |i: usize| if i == last { all[i] + half(last.saturating_sub(1)) } else { between(i) };
    (0..all.len()).map(|i| (all[i], low(i), high(i))).collect()
}

fn draw(chart: &Chart, whole: &Area) -> Drawn {
    let bars = chart.series.iter().any(|s| matches!(s.marks, Marks::Bars(_)));
    let x = Scale::new(&chart.x, chart.limits(chart.x.log, xs), false);
    let y = Scale::new(&chart.y, chart.limits(chart.y.log, ys), bars);
    let colours = chart.colour_scale();
    let legend_width = legend::width(chart);
    let (left, right) = whole.split_horizontally(chart.size().0 * UNIT - legend_width);
    let title_height = heading(&chart.title, whole)?;
    let mut context = ChartBuilder::on(&left)
        .margin_top(title_height)
        .margin_right(18 * UNIT)
        .margin_left(8 * UNIT)
        .margin_bottom(8 * UNIT)
        .x_label_area_size(48 * UNIT)
        .y_label_area_size(68 * UNIT)
        .build_cartesian_2d(x.clone(), y.clone())?;
    context
        .configure_mesh()
        .x_desc(x.label(&chart.x.label))
        .y_desc(y.label(&chart.y.label))
        .bold_line_style(GRID.stroke_width(UNIT as u32))
        .axis_style(BLACK.stroke_width(UNIT as u32))
        .label_style(("sans-serif", FONT))
        .axis_desc_style(("sans-serif", FONT * 11 / 10))
        .set_all_tick_mark_size(5 * UNIT)
        .draw()?;
    for series in &chart.series {
        marks(&mut context, series, (&x, &y), colours)?;
    }
    if legend_width > 0 {
        let (_, legend_area) = right.split_vertically(title_height);
        legend::draw(chart, &legend_area, colours)?;
    }
    Ok(())
}

fn marks(context: &mut Context, series: &Series, (x, y): (&Scale, &Scale), colours: ColourScale) -> Drawn {
    let colour = series.colour.rgb(colours);
    match &series.marks {
        Marks::Line(points) => {
            for run in points.split(|p| !x.has(p.0) || !y.has(p.1)).filter(|r| !r.is_empty()) {
                let line = PathElement::new(run, colour.stroke_width(3 * UNIT as u32 / 2));
                context.draw_series([line])?;
            }
        }
        Marks::Points(points) => {
            let shown = points.iter().filter(|p| x.has(p.0) && y.has(p.1));
            let dots = thinned(shown.map(|p| (*p, colour)).collect());
            context.draw_series(dots)?;
        }
        Marks::ColouredPoints(points) => {
            let shown = points.iter().filter(|p| x.has(p.0) && y.has(p.1));
            let dots = thinned(shown.map(|p| ((p.0, p.1), on_scale(p.2, colours))).collect());
            context.draw_series(dots)?;
        }
        Marks::Band(points) => {
            let gap = |p: &(f64, f64, f64)| !x.has(p.0) || !y.has(p.1) || !y.has(p.2);
            for run in points.split(gap).filter(|r| r.len() > 1) {
                let there = run.iter().map(|p| (p.0, p.1));
                let back = run.iter().rev().map(|p| (p.0, p.2));
                let outline: Vec<_> = there.chain(back).collect();
                context.draw_series([Polygon::new(outline, colour.mix(0.25))])?;
            }
        }
        Marks::Bars(bars) => {
            let ground = y.ground();
            let shown = bars.iter().filter(|b| x.has(b.0) && x.has(b.1) && y.has(b.2));
            context
                .draw_series(shown.map(|b| Rectangle::new([(b.0, ground), (b.1, b.2)], colour.mix(0.6).filled())))?;
        }
        Marks::HeatMap(cells) => heat_map(context, cells, (x, y), colours)?,
    }
    Ok(())
}

fn heat_map(context: &mut Context, cells: &[(f64, f64, f64)], (x, y): (&Scale, &Scale), colours: ColourScale) -> Drawn {
    let columns = edges(cells.iter().map(|c| c.0));
    let rows = edges(cells.iter().map(|c| c.1));
    let find = |edges: &[(f64, f64, f64)], v: f64| {
        edges.binary_search_by(|e| e.0.total_cmp(&v)).ok().map(|i| (edges[i].1, edges[i].2))
    };
    for cell in cells.iter().filter(|c| colours.has(c.2)) {
        let (Some((left, right)), Some((low, high))) = (find(&columns, cell.0), find(&rows, cell.1)) else { continue };
        if [left, right].into_iter().all(|v| x.has(v)) && [low, high].into_iter().all(|v| y.has(v)) {
            let colour = on_scale(cell.2, colours);
            let (right, high) = (right + OVERLAP * (right - left), high + OVERLAP * (high - low));
            context.draw_series([Rectangle::new([(left, low), (right, high)], colour.filled())])?;
        }
    }
    Ok(())
}

/// Returns dots for the points, or for every n-th if there are too many; the more there are, the smaller and more
/// transparent they are.
fn thinned(points: Vec<((f64, f64), RGBColor)>) -> Vec<Circle<(f64, f64), i32>> {
    let every = points.len().div_ceil(MOST_POINTS).max(1);
    let (radius, opacity) = match points.len() / every {
        0..200 => (3 * UNIT, 0.9),
        200..1500 => (2 * UNIT, 0.6),
        _ => (3 * UNIT / 2, 0.4),
    };
    points.into_iter().step_by(every).map(|(p, c)| Circle::new(p, radius, c.mix(opacity).filled())).collect()
}

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, events::Event};

    use super::*;
    use crate::{Axis, Colour, histogram};

    /// Returns the number of elements with this name in an SVG image, which must be well-formed.
    fn count(svg: &str, element: &str) -> usize {
        let mut reader = Reader::from_str(svg);
        let mut found = 0;
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return found,
                Event::Start(e) | Event::Empty(e) if e.name().as_ref() == element.as_bytes() => found += 1,
                _ => {}
            }
        }
    }

    fn chart(marks: Marks) -> Chart {
        let x = Axis::new("wavelength <nm> & \"more\"");
        Chart { x, series: vec![Series::new("a", marks, Colour::Palette(0))], ..Chart::default() }
    }

    fn without_key(marks: Marks) -> String {
        let mut chart = chart(marks);
        chart.series[0].name.clear();
        chart.svg().unwrap()
    }

    #[test]
    fn a_gap_breaks_a_line() {
        let line = |gap: f64| {
            let points = (0..10).map(|i| (f64::from(i), if i == 4 { gap } else { f64::from(i) })).collect();
            count(&without_key(Marks::Line(points)), "polyline")
        };
        assert_eq!(line(f64::NAN), line(4.0) + 1);
    }

    #[test]
    fn a_logarithmic_axis_leaves_out_what_has_no_logarithm() {
        let points: Vec<_> = [-1.0, 0.0, 1.0, 10.0, f64::INFINITY].into_iter().map(|v| (v, v)).collect();
        let dots = |log: bool| {
            let mut chart = chart(Marks::Points(points.clone()));
            chart.series[0].name.clear();
            chart.y.log = log;
            count(&chart.svg().unwrap(), "circle")
        };
        assert_eq!((dots(false), dots(true)), (4, 2));
    }

    #[test]
    fn too_many_points_are_thinned_the_same_way_every_time() {
        let points = |n: u32| Marks::Points((0..n).map(|i| (f64::from(i), f64::from(i % 91))).collect());
        assert_eq!(count(&without_key(points(5000)), "circle"), 5000);
        let svg = without_key(points(12_000));
        assert_eq!(count(&svg, "circle"), 4000);
        assert_eq!(svg, without_key(points(12_000)));
    }

    #[test]
    fn every_kind_of_marks_and_the_key_are_drawn() {
        let triples: Vec<_> = (0..6).map(|i| (f64::from(i % 3), f64::from(i / 3), f64::from(i))).collect();
        let base = count(&without_key(Marks::Line(Vec::new())), "rect");
        assert_eq!(count(&without_key(Marks::HeatMap(triples.clone())), "rect"), base + 6);
        assert_eq!(count(&without_key(Marks::ColouredPoints(triples.clone())), "circle"), 6);
        assert_eq!(count(&without_key(Marks::Band(triples.clone())), "polygon"), 1);
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        assert!(count(&without_key(histogram(&values)), "rect") >= base + 5);
        let mut coloured = chart(Marks::HeatMap(triples));
        let texts = |chart: &Chart| count(&chart.svg().unwrap(), "text");
        let before = texts(&coloured);
        coloured.colour = "teff / K".into();
        assert!(texts(&coloured) > before + 3);
    }

    #[test]
    fn cells_reach_halfway_to_their_neighbours() {
        let edges = edges([4.0, 1.0, 2.0, 2.0, f64::NAN].into_iter());
        assert_eq!(edges, [(1.0, 0.5, 1.5), (2.0, 1.5, 3.0), (4.0, 3.0, 5.0)]);
        assert_eq!(super::edges([7.0].into_iter()), [(7.0, 6.5, 7.5)]);
    }

    #[test]
    fn control_characters_leave_the_image_well_formed() {
        let mut chart = chart(Marks::Line(vec![(0.0, 1.0), (1.0, 2.0)]));
        let bad = "a\u{0}b\u{1b}c\u{fffe}d";
        chart.title = bad.into();
        chart.y.label = bad.into();
        chart.colour = bad.into();
        chart.series[0].name = bad.into();
        let svg = chart.svg().unwrap();
        assert!(count(&svg, "text") > 4 && svg.matches("a\u{fffd}b\u{fffd}c\u{fffd}d").count() == 3, "{svg}");
        assert!(!svg.chars().any(|c| c.is_control() && c != '\n'), "{svg}");
    }

    #[test]
    fn nothing_to_draw_is_an_empty_chart() {
        for marks in [Marks::Line(vec![(f64::NAN, 1.0)]), Marks::HeatMap(Vec::new()), Marks::Bars(Vec::new())] {
            assert!(count(&chart(marks).svg().unwrap(), "text") > 4);
        }
    }
}
