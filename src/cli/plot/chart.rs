//! From rows to a chart.

use std::collections::BTreeMap;

use anyhow::bail;
use arrow::datatypes::{Field, Schema};

use super::{
    columns::{Band, Columns, Drawn},
    look::{Kind, Look},
};
use crate::plot::{Axis, Chart, Colour, Marks, Series, histogram};

/// More series of numbers than these are told apart by a bar of colours instead of by name.
const NAMED: usize = 12;
/// So many series of numbers are coloured in their order.
const ORDERED: usize = 3;

/// The rows of a query, those columns that are drawn.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Numbers by the columns' places in the query; NaN where there is none.
    pub(super) numbers: BTreeMap<usize, Vec<f64>>,
    /// The text of the column of the series, if that has no numbers.
    pub(super) texts: Vec<String>,
}

/// Rows that belong together: their name, what they have in common if that is a number, and their places.
struct Group {
    name: String,
    value: Option<f64>,
    rows: Vec<usize>,
}

/// The chart of rows of `schema`.
///
/// # Errors
/// If there are no rows, or none with numbers to draw.
pub(super) fn chart(schema: &Schema, columns: &Columns, rows: &Rows, look: &Look) -> anyhow::Result<Chart> {
    let xs = &rows.numbers[&columns.x];
    if xs.is_empty() {
        bail!("the query gives no rows, so there is nothing to draw");
    }
    let finite = |i: &usize| rows.numbers[i].iter().any(|v| v.is_finite());
    if let Some(i) = std::iter::once(&columns.x).chain(columns.y.first().map(|y| &y.column)).find(|i| !finite(i)) {
        bail!("column '{}' has no number in any of {} rows", schema.field(*i).name(), xs.len());
    }
    let groups = groups(columns, rows, xs.len());
    let kind = look.kind.unwrap_or_else(|| guessed_kind(columns, &groups, xs));
    if kind == Kind::Heatmap && columns.color.is_none() {
        bail!("a heat map needs a column for its colours\nhint: name it with --color COLUMN");
    }
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
    // Bands lie under every line.
    series.sort_by_key(|s| !matches!(s.marks, Marks::Band(_)));
    let colour = columns.color.or(columns.group.filter(|_| crowd)).map(label).unwrap_or_default();
    let y_label = || match columns.y.as_slice() {
        [] => "rows".to_owned(),
        [one] => label(one.column),
        many => unit(schema.field(many[0].column)).map(|u| format!("[{u}]")).unwrap_or_default(),
    };
    Ok(Chart {
        title: look.title.clone().unwrap_or_default(),
        x: Axis {
            label: look.x_label.clone().unwrap_or_else(|| label(columns.x)),
            log: look.log_x,
            inverted: look.invert_x,
        },
        y: Axis { label: look.y_label.clone().unwrap_or_else(y_label), log: look.log_y, inverted: look.invert_y },
        colour,
        series,
    })
}

/// The series of a column's rows of one group, with its band.
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

/// The groups: numbers ascending, texts in the order they are met; a single one without a name if none is asked for.
fn groups(columns: &Columns, rows: &Rows, count: usize) -> Vec<Group> {
    let Some(column) = columns.group else {
        return vec![Group { name: String::new(), value: None, rows: (0..count).collect() }];
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in 0..count {
        let value = rows.numbers.get(&column).map(|v| v[row]);
        let name = value.map_or_else(|| rows.texts[row].clone(), number_text);
        let place = *places.entry(name.clone()).or_insert_with(|| {
            groups.push(Group { name, value, rows: Vec::new() });
            groups.len() - 1
        });
        groups[place].rows.push(row);
    }
    groups.sort_by(|a, b| a.value.partial_cmp(&b.value).unwrap_or(std::cmp::Ordering::Equal));
    groups
}

fn number_text(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = if value.abs() >= 1e-3 || value == 0.0 { text } else { format!("{value:e}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn guessed_kind(columns: &Columns, groups: &[Group], xs: &[f64]) -> Kind {
    if columns.y.is_empty() {
        return Kind::Histogram;
    }
    let grows = |g: &Group| g.rows.len() > 1 && g.rows.windows(2).all(|w| xs[w[0]] < xs[w[1]]);
    if columns.color.is_none() && groups.iter().all(grows) { Kind::Line } else { Kind::Points }
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
    use arrow::datatypes::DataType;

    use super::*;

    fn drawn(names: &[&str], data: &[&[f64]], hint: &str) -> anyhow::Result<Chart> {
        let field =
            |n: &&str| Field::new(*n, DataType::Float64, true).with_metadata([("unit".into(), "K".into())].into());
        let schema = Schema::new(names.iter().map(field).collect::<Vec<_>>());
        let look = Look::from_hint(hint)?;
        let columns = Columns::choose(&schema, &look)?;
        let numbers = data.iter().enumerate().map(|(i, c)| (i, c.to_vec())).collect();
        chart(&schema, &columns, &Rows { numbers, texts: Vec::new() }, &look)
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
        assert!(e(&[&[], &[]], "").contains("no rows"));
        assert!(e(&[&[1.0], &[f64::NAN]], "").contains("'y' has no number"));
        assert!(e(&[&[1.0], &[1.0]], "kind=heatmap").contains("--color"));
    }

    #[test]
    fn numbers_are_short() {
        let short: Vec<String> = [4700.0, -0.25, 2.5e-5, 0.0, 0.1 + 0.2].into_iter().map(number_text).collect();
        assert_eq!(short, ["4700", "-0.25", "2.5e-5", "0", "0.3"]);
    }
}
