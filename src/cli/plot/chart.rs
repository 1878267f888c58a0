//! Makes a chart from rows.

use std::{cmp::Ordering, collections::BTreeSet};

use anyhow::bail;
use arrow::datatypes::{DataType, Field, Schema};
use lamcat_plot::{Axis, Chart, Colour, Marks, Series, histogram};

use super::{
    columns::{Band, Columns, Drawn},
    plot_style::{Kind, PlotStyle},
    rows::{Key, Rows, grows},
};

/// With more series of numbers than this, a colour bar identifies them instead of their names.
const NAMED: usize = 12;
/// Up to this many series of numbers are coloured in their order.
const ORDERED: usize = 3;

/// Rows that belong together: their name, their common value if it is a number, and their indices.
struct Group {
    name: String,
    value: Option<f64>,
    rows: Vec<usize>,
}

/// The chart of rows of `schema`.
///
/// # Errors
/// If there are no rows, or none of them has numbers to draw.
pub(super) fn chart(schema: &Schema, columns: &Columns, rows: &Rows, style: &PlotStyle) -> anyhow::Result<Chart> {
    let xs = &rows.numbers[&columns.x];
    if xs.is_empty() {
        bail!("the query gives no rows, so there is nothing to draw\nhint: look at its WHERE and JOIN with lamcat sql");
    }
    let finite = |i: &usize| rows.numbers[i].iter().any(|v| v.is_finite());
    if let Some(i) = std::iter::once(&columns.x).chain(columns.y.first().map(|y| &y.column)).find(|i| !finite(i)) {
        let name = schema.field(*i).name();
        bail!("column '{name}' has no number in any of {} rows\nhint: draw another with --x or --y", xs.len());
    }
    let group = rows.group(columns);
    let groups = match group {
        Some(column) => groups(rows, schema.field(column).data_type()),
        None => vec![Group { name: String::new(), value: None, rows: (0..xs.len()).collect() }],
    };
    let kind = style.kind.unwrap_or_else(|| guessed_kind(columns, &groups, rows));
    style.fits(kind)?;
    let label = |i: usize| label(schema.field(i));
    let by_value = groups.len() >= ORDERED && groups.iter().all(|g| g.value.is_some()) && columns.color.is_none();
    let crowd = by_value && groups.len() > NAMED;
    let mut series = Vec::new();
    for (n, group) in groups.iter().enumerate() {
        if columns.y.is_empty() {
            let values: Vec<f64> = group.rows.iter().map(|r| xs[*r]).collect();
            series.push(Series::new(&group.name, histogram(&values), Colour::Palette(n)));
        }
        for (m, drawn) in columns.y.iter().enumerate() {
            let colour = match group.value {
                Some(value) if by_value && columns.y.len() == 1 => Colour::Scale(value),
                _ => Colour::Palette(n * columns.y.len() + m),
            };
            let column = schema.field(drawn.column).name();
            let name = match (columns.y.len() > 1, group.name.is_empty() || crowd) {
                (true, true) => column.clone(),
                (true, false) => format!("{column}, {}", group.name),
                (false, true) => String::new(),
                (false, false) => group.name.clone(),
            };
            series.extend(series_of(rows, columns, (drawn, group), kind, colour, &name));
        }
    }
    // Bands are drawn below all lines.
    series.sort_by_key(|s| !matches!(s.marks, Marks::Band(_)));
    let colour = columns.color.or(group.filter(|_| crowd)).map(label).unwrap_or_default();
    let y_label = || match columns.y.as_slice() {
        [] => "rows".to_owned(),
        [one] => label(one.column),
        many => unit(schema.field(many[0].column)).map(|u| format!("[{u}]")).unwrap_or_default(),
    };
    Ok(Chart {
        title: style.title.clone().unwrap_or_default(),
        x: Axis {
            label: style.x_label.clone().unwrap_or_else(|| label(columns.x)),
            log: style.log_x,
            inverted: style.invert_x,
        },
        y: Axis { label: style.y_label.clone().unwrap_or_else(y_label), log: style.log_y, inverted: style.invert_y },
        colour,
        series,
        ..Chart::default()
    })
}

/// The series of a column for the rows of one group, with its band.
fn series_of(
    rows: &Rows,
    columns: &Columns,
    (drawn, group): (&Drawn, &Group),
    kind: Kind,
    colour: Colour,
    name: &str,
) -> Vec<Series> {
    let value = |column: usize, row: usize| rows.numbers[&column][row];
    let pair = |r: &usize| (value(columns.x, *r), value(drawn.column, *r));
    let triple =
        |c: usize| group.rows.iter().map(move |r| (value(columns.x, *r), value(drawn.column, *r), value(c, *r)));
    let marks = match (kind, columns.color) {
        (Kind::Heatmap, Some(third)) => Marks::HeatMap(triple(third).collect()),
        (Kind::Points, Some(third)) => Marks::ColouredPoints(triple(third).collect()),
        (Kind::Points, _) => Marks::Points(group.rows.iter().map(pair).collect()),
        _ => Marks::Line(group.rows.iter().map(pair).collect()),
    };
    let band = drawn.band.filter(|_| kind == Kind::Line).map(|band| {
        let edges = |r: usize| match band {
            Band::Edges(low, high) => (value(low, r), value(high, r)),
            Band::Error(error) => {
                let (y, error) = (value(drawn.column, r), value(error, r));
                (y - error, y + error)
            }
        };
        let points = group.rows.iter().map(|r| (value(columns.x, *r), edges(*r).0, edges(*r).1)).collect();
        Series::new("", Marks::Band(points), colour)
    });
    band.into_iter().chain([Series::new(name, marks, colour)]).collect()
}

/// The groups: numbers ascending with NULL last, texts in the order of their first occurrence.
fn groups(rows: &Rows, data_type: &DataType) -> Vec<Group> {
    let group = |(key, name): (&Key, String)| Group { name, value: key.value, rows: Vec::new() };
    let mut groups: Vec<Group> = rows.keys.iter().zip(names(&rows.keys, data_type)).map(group).collect();
    for (row, place) in rows.groups.iter().enumerate() {
        groups[*place].rows.push(row);
    }
    // NaN is sorted after all other numbers.
    groups.sort_by(|a, b| a.value.zip(b.value).map_or(Ordering::Equal, |(a, b)| a.total_cmp(&b)));
    groups
}

/// The names of the groups; floating-point numbers have only as many digits as are needed to distinguish them.
fn names(keys: &[Key], data_type: &DataType) -> Vec<String> {
    let exact = || keys.iter().map(|k| k.text.clone()).collect();
    let lists = matches!(data_type, DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..));
    if !data_type.is_floating() && !lists {
        return exact();
    }
    let name = |key: &Key, decimals| match key.value {
        Some(value) if !value.is_nan() => number_text(value, decimals),
        _ => key.text.clone(),
    };
    let all = |decimals| keys.iter().map(|k| name(k, decimals)).collect::<Vec<_>>();
    let differ = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    (4..=15).map(all).find(differ).unwrap_or_else(exact)
}

/// A number rounded to a number of decimals; a small one with all its digits.
fn number_text(value: f64, decimals: usize) -> String {
    if value.abs() < 1e-3 && value != 0.0 {
        return format!("{value:e}");
    }
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn guessed_kind(columns: &Columns, groups: &[Group], rows: &Rows) -> Kind {
    if columns.y.is_empty() {
        return Kind::Histogram;
    }
    let xs = &rows.numbers[&columns.x];
    let line = |g: &Group| g.rows.len() > 1 && grows(g.rows.iter().map(|r| &xs[*r]));
    let lines = columns.color.is_none() && !rows.is_thinned() && groups.iter().all(line);
    if lines { Kind::Line } else { Kind::Points }
}

fn unit(field: &Field) -> Option<&String> {
    field.metadata().get("unit").filter(|u| !u.is_empty())
}

/// A column's name and unit.
fn label(field: &Field) -> String {
    unit(field).map_or_else(|| field.name().clone(), |u| format!("{} [{u}]", field.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, RecordBatch};

    use super::*;

    fn drawn(names: &[&str], data: &[&[f64]], hint: &str) -> anyhow::Result<Chart> {
        let field =
            |n: &&str| Field::new(*n, DataType::Float64, true).with_metadata([("unit".into(), "K".into())].into());
        let schema = Schema::new(names.iter().map(field).collect::<Vec<_>>());
        let style = PlotStyle::from_hint(hint)?;
        let columns = Columns::choose(&schema, &style)?;
        let arrays = data.iter().map(|c| Arc::new(Float64Array::from(c.to_vec())) as ArrayRef).collect();
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), arrays)?.project(&columns.all())?;
        let mut rows = Rows::new(&columns);
        rows.read(&columns, style.kind, &batch)?;
        chart(&schema, &columns, &rows, &style)
    }

    #[test]
    fn the_kind_follows_from_the_rows() {
        let kind = |x: &[f64]| drawn(&["x", "y"], &[x, &[1.0, 2.0, 3.0]], "").unwrap().series.remove(0).marks;
        assert!(matches!(kind(&[1.0, 2.0, 3.0]), Marks::Line(_)));
        assert!(matches!(kind(&[1.0, 3.0, 2.0]), Marks::Points(_)));
        let alone = drawn(&["x"], &[&[1.0, 2.0]], "").unwrap();
        assert!(matches!(alone.series[0].marks, Marks::Bars(_)));
        assert_eq!((alone.x.label.as_str(), alone.y.label.as_str()), ("x [K]", "rows"));
    }

    #[test]
    fn groups_of_numbers_are_coloured_in_their_order() {
        let (x, y) = ([1.0, 2.0, 1.0, 2.0, 1.0, 2.0], [0.0; 6]);
        let chart = drawn(&["x", "y", "teff"], &[&x, &y, &[5e3, 5e3, 4e3, 4e3, 6e3, 6e3]], "group=teff").unwrap();
        let names: Vec<&str> = chart.series.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["4000", "5000", "6000"]);
        assert_eq!(chart.series[0].colour, Colour::Scale(4000.0));
        assert!(chart.colour.is_empty());
        let many: Vec<f64> = (0..26).map(|i| f64::from(i / 2)).collect();
        let xs: Vec<f64> = (0..26).map(|i| f64::from(i % 2)).collect();
        let crowd = drawn(&["x", "y", "teff"], &[&xs, &xs, &many], "group=teff").unwrap();
        assert!(crowd.series.iter().all(|s| s.name.is_empty()) && crowd.colour == "teff [K]");
    }

    #[test]
    fn groups_without_a_value_are_last_and_close_ones_are_apart() {
        let (x, none) = ([1.0; 6], f64::NAN);
        let names = |groups: [f64; 6]| {
            let chart = drawn(&["x", "y", "g"], &[&x, &x, &groups], "group=g kind=points").unwrap();
            chart.series.into_iter().map(|s| s.name).collect::<Vec<_>>()
        };
        assert_eq!(names([none, 2.0, -none, 0.0, -0.0, 1.5]), ["0", "1.5", "2", "NULL"]);
        assert_eq!(names([0.1 + 0.2, 0.3, 1.0, 1.0, 1.0, 1.0]), ["0.3", "0.30000000000000004", "1"]);
        assert_eq!(names([1.00001, 1.00002, 1.0, 1.0, 1.0, none]), ["1", "1.00001", "1.00002", "NULL"]);
    }

    #[test]
    fn a_band_lies_below_its_line() {
        let data: [&[f64]; 3] = [&[1.0, 2.0], &[5.0, 6.0], &[0.5, 1.0]];
        let chart = drawn(&["x", "y", "y_error"], &data, "").unwrap();
        let Marks::Band(band) = &chart.series[0].marks else { panic!("{:?}", chart.series) };
        assert_eq!(band, &[(1.0, 4.5, 5.5), (2.0, 5.0, 7.0)]);
        assert!(matches!(chart.series[1].marks, Marks::Line(_)));
    }

    #[test]
    fn nothing_to_draw_is_said() {
        let e = |data: &[&[f64]], hint| format!("{}", drawn(&["x", "y"], data, hint).unwrap_err());
        let errors = [
            (e(&[&[], &[]], ""), "no rows"),
            (e(&[&[1.0], &[f64::NAN]], ""), "'y' has no number"),
            (e(&[&[1.0], &[1.0]], "kind=heatmap"), "--color"),
            (e(&[&[1.0], &[1.0]], "kind=line color=y x=x y=x"), "a line has one colour"),
            (e(&[&[1.0], &[1.0]], "kind=histogram color=y"), "a histogram has no colours"),
            (e(&[&[1.0], &[1.0]], "kind=histogram y=y"), "--x y"),
            (e(&[&[1.0], &[1.0]], "kind=points y=y band=x,y"), "a band belongs to a line"),
            (e(&[&[1.0], &[1.0]], "x=x y=y band=x,y"), "a band belongs to a line"),
        ];
        for (error, expected) in errors {
            assert!(error.contains(expected) && error.contains("\nhint: "), "{error}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let short: Vec<String> = [4700.0, -0.25, 2.5e-5, 0.0, 0.1 + 0.2].map(|v| number_text(v, 4)).to_vec();
        assert_eq!(short, ["4700", "-0.25", "2.5e-5", "0", "0.3"]);
    }
}
