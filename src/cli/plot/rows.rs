//! The rows of a query as plain numbers, with lists split into their elements.

use std::{
    collections::{BTreeMap, HashMap},
    iter::repeat_n,
    ops::Range,
};

use anyhow::bail;
use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray, RecordBatch, UInt64Array},
    compute::{cast, take},
    datatypes::{DataType, Float64Type},
    util::display::{ArrayFormatter, FormatOptions},
};

use super::{
    columns::{Columns, MOST_SERIES},
    plot_style::Kind,
};

/// Number of points that are kept at least. If there are more, every second one is dropped, repeatedly.
const MOST_POINTS: usize = 1 << 18;
/// Maximum number of rows of a heat map: each is an element of the image.
const MOST_CELLS: usize = 100_000;

/// The columns that are drawn.
#[derive(Debug)]
pub(super) struct Rows {
    /// Numbers by the index of their column in the query; NaN where there is no value.
    pub(super) numbers: BTreeMap<usize, Vec<f64>>,
    /// The index of each row's group in `keys`.
    pub(super) groups: Vec<usize>,
    /// The common value of the rows of each group, in the order of first occurrence.
    pub(super) keys: Vec<Key>,
    places: HashMap<String, usize>,
    /// Only one row in this many is kept.
    every: usize,
    seen: usize,
}

/// A value of the column by which rows are grouped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// The value as text; different values have different texts.
    pub(super) text: String,
    /// The value if the column is numeric, NaN for NULL.
    pub(super) value: Option<f64>,
}

impl Rows {
    pub(super) fn new(columns: &Columns) -> Self {
        let numbers = columns.numbers().into_iter().map(|i| (i, Vec::new())).collect();
        Self { numbers, groups: Vec::new(), keys: Vec::new(), places: HashMap::new(), every: 1, seen: 0 }
    }

    /// Whether some rows have been left out.
    pub(super) fn is_thinned(&self) -> bool {
        self.every > 1
    }

    /// The column that the rows are grouped by: the named one, or a guessed one in which some rows have equal values.
    pub(super) fn group(&self, columns: &Columns) -> Option<usize> {
        let few = self.keys.len() <= most_groups(columns) && (self.keys.len() < self.groups.len() || self.seen == 1);
        columns.group.filter(|_| !columns.group_guessed || few)
    }

    /// Adds a batch with [`Columns::all`].
    ///
    /// # Errors
    /// If there are more groups or more cells than can be drawn.
    pub(super) fn read(&mut self, columns: &Columns, kind: Option<Kind>, batch: &RecordBatch) -> anyhow::Result<()> {
        let lengths = lengths(batch);
        let first = self.seen.next_multiple_of(self.every) - self.seen;
        self.seen += lengths.as_ref().map_or(batch.num_rows(), |l| l.iter().sum());
        for (place, column) in columns.all().into_iter().zip(batch.columns()) {
            let values = lengths.as_ref().map_or_else(|| Ok(column.clone()), |l| flat(column, l))?;
            if columns.group == Some(place) {
                self.read_group(columns, &values)?;
            }
            if let Some(numbers) = self.numbers.get_mut(&place) {
                let values = cast(&values, &DataType::Float64)?;
                let kept = values.as_primitive::<Float64Type>().iter().skip(first).step_by(self.every);
                numbers.extend(kept.map(|v| v.unwrap_or(f64::NAN)));
            }
        }
        if kind == Some(Kind::Heatmap) && self.seen > MOST_CELLS {
            bail!(
                "a heat map has at most {MOST_CELLS} cells, and the query gives more rows\n\
                 hint: GROUP BY round(x), round(y) or coarser steps"
            );
        }
        while self.numbers[&columns.x].len() > MOST_POINTS && self.are_points(columns, kind) {
            self.every *= 2;
            for numbers in self.numbers.values_mut() {
                let mut odd = true;
                numbers.retain(|_| {
                    odd = !odd;
                    !odd
                });
            }
        }
        Ok(())
    }

    /// Adds the groups of some rows; for a guessed column only as long as there are few groups.
    fn read_group(&mut self, columns: &Columns, values: &ArrayRef) -> anyhow::Result<()> {
        let most = most_groups(columns);
        if self.keys.len() > most {
            return Ok(());
        }
        let options = FormatOptions::default().with_null("NULL");
        let texts = ArrayFormatter::try_new(values.as_ref(), &options)?;
        let numbers = if values.data_type().is_numeric() { Some(cast(values, &DataType::Float64)?) } else { None };
        let numbers = numbers.as_ref().map(AsArray::as_primitive::<Float64Type>);
        let mut text = String::new();
        for row in 0..values.len() {
            // All NaN count as one value, which is above all numbers.
            let valid = |n: &PrimitiveArray<Float64Type>| n.is_valid(row) && !n.value(row).is_nan();
            let number = numbers.map(|n| if valid(n) { n.value(row) } else { f64::NAN });
            text.clear();
            match number {
                Some(v) if v.is_nan() => text.push_str("NULL"),
                // Zero is written without a sign.
                Some(v) if values.data_type().is_floating() => text.push_str(&(v + 0.0).to_string()),
                _ => texts.value(row).write(&mut text)?,
            }
            let place = self.places.get(&text).copied().unwrap_or_else(|| {
                self.keys.push(Key { text: text.clone(), value: number });
                self.places.insert(text.clone(), self.keys.len() - 1);
                self.keys.len() - 1
            });
            self.groups.push(place);
            if self.keys.len() > most {
                if columns.group_guessed {
                    self.groups = Vec::new();
                    return Ok(());
                }
                bail!(
                    "the column of --group has more than {most} different values\n\
                     hint: select fewer, or colour points by it with --color"
                );
            }
        }
        Ok(())
    }

    /// Whether the rows will certainly be points without groups, some of which may be dropped.
    fn are_points(&self, columns: &Columns, kind: Option<Kind>) -> bool {
        let alone = columns.group.is_none() || (columns.group_guessed && self.keys.len() > most_groups(columns));
        let guessed = || columns.color.is_some() || self.is_thinned() || !grows(self.numbers[&columns.x].iter());
        alone && !columns.y.is_empty() && (kind == Some(Kind::Points) || (kind.is_none() && guessed()))
    }
}

/// Whether each value is greater than the one before it.
pub(super) fn grows<'a>(values: impl Iterator<Item = &'a f64>) -> bool {
    values.is_sorted_by(|a, b| a < b)
}

fn most_groups(columns: &Columns) -> usize {
    (MOST_SERIES / columns.y.len().max(1)).max(1)
}

/// The values in lists of numbers, and the range of each row in them; `None` for NULL.
fn elements(column: &ArrayRef) -> Option<(ArrayRef, Vec<Option<Range<usize>>>)> {
    let ranges = |range: &dyn Fn(usize) -> Range<usize>| {
        (0..column.len()).map(|row| column.is_valid(row).then(|| range(row))).collect()
    };
    match column.data_type() {
        DataType::List(f) if f.data_type().is_numeric() => {
            let list = column.as_list::<i32>();
            let o = list.value_offsets();
            Some((list.values().clone(), ranges(&|row| o[row] as usize..o[row + 1] as usize)))
        }
        DataType::LargeList(f) if f.data_type().is_numeric() => {
            let list = column.as_list::<i64>();
            let o = list.value_offsets();
            Some((list.values().clone(), ranges(&|row| o[row] as usize..o[row + 1] as usize)))
        }
        DataType::FixedSizeList(f, _) if f.data_type().is_numeric() => {
            let list = column.as_fixed_size_list();
            let length = list.value_length() as usize;
            let start = |row| list.value_offset(row) as usize;
            Some((list.values().clone(), ranges(&|row| start(row)..start(row) + length)))
        }
        _ => None,
    }
}

/// The number of rows that each row of a batch with lists becomes: the number of elements of its longest list, or one
/// for NULL.
fn lengths(batch: &RecordBatch) -> Option<Vec<usize>> {
    let lists: Vec<_> = batch.columns().iter().filter_map(|c| Some(elements(c)?.1)).collect();
    let longest = |row: usize| lists.iter().map(|l| l[row].as_ref().map_or(1, ExactSizeIterator::len)).max();
    if lists.is_empty() { None } else { (0..batch.num_rows()).map(longest).collect() }
}

/// A column with one row for each element of the lists: a list gives its own elements and then NULL, any other value is
/// repeated.
fn flat(column: &ArrayRef, lengths: &[usize]) -> anyhow::Result<ArrayRef> {
    let Some((values, ranges)) = elements(column) else {
        let rows = lengths.iter().enumerate().flat_map(|(row, n)| repeat_n(row as u64, *n));
        return Ok(take(column, &UInt64Array::from_iter_values(rows), None)?);
    };
    let places = ranges.into_iter().zip(lengths).flat_map(|(range, n)| {
        let range = range.unwrap_or_default();
        (range.start..range.start + n).map(move |i| (i < range.end).then_some(i as u64))
    });
    Ok(take(&values, &places.collect::<UInt64Array>(), None)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Float64Array, Int64Array, ListArray, StringArray},
        datatypes::Schema,
    };

    use super::{super::plot_style::PlotStyle, *};

    fn read(columns: &[(&str, ArrayRef)], hint: &str) -> anyhow::Result<(Columns, Rows)> {
        let batch = RecordBatch::try_from_iter(columns.iter().map(|(n, c)| (*n, c.clone())))?;
        let style = PlotStyle::from_hint(hint)?;
        let schema: &Schema = batch.schema_ref();
        let columns = Columns::choose(schema, &style)?;
        let mut rows = Rows::new(&columns);
        rows.read(&columns, style.kind, &batch.project(&columns.all())?)?;
        Ok((columns, rows))
    }

    fn floats(values: impl IntoIterator<Item = f64>) -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(values))
    }

    fn texts(values: impl IntoIterator<Item = impl AsRef<str>>) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(values))
    }

    #[test]
    fn lists_become_rows_beside_what_is_repeated() {
        let lists = [Some(vec![Some(1.0), Some(2.0)]), None, Some(vec![]), Some(vec![Some(3.0)])];
        let list = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
        let longer = [Some(vec![Some(1)]), Some(vec![None, Some(5)]), Some(vec![]), None];
        let longer = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(longer);
        let (_, rows) =
            read(&[("x", Arc::new(list)), ("y", Arc::new(longer)), ("z", floats([10.0, 20.0, 30.0, 40.0]))], "y=y,z")
                .unwrap();
        let text = |i: usize| format!("{:?}", rows.numbers[&i]);
        assert_eq!(text(0), "[1.0, 2.0, NaN, NaN, 3.0]");
        assert_eq!(text(1), "[1.0, NaN, NaN, 5.0, NaN]");
        assert_eq!(text(2), "[10.0, 10.0, 20.0, 20.0, 40.0]");
    }

    #[test]
    fn a_guessed_group_is_one_that_rows_share() {
        let group = |names: Vec<String>, hint: &str| {
            let n = names.len();
            let values = || floats((0..n).map(|i| i as f64));
            read(&[("name", texts(names)), ("x", values()), ("y", values())], hint).map(|(c, rows)| rows.group(&c))
        };
        let names = |n: usize, of: usize| (0..n).map(|i| format!("star {}", i % of)).collect::<Vec<_>>();
        assert_eq!(group(names(20, 10), "").unwrap(), Some(0));
        assert_eq!(group(names(20, 10), "no-group").unwrap(), None);
        assert_eq!(group(names(20, 20), "").unwrap(), None);
        assert_eq!(group(names(20, 20), "group=name").unwrap(), Some(0));
        assert_eq!(group(names(1000, 500), "").unwrap(), None);
        let e = group(names(1000, 500), "group=name").unwrap_err().to_string();
        assert!(e.contains("more than 100 different values") && e.contains("hint:"), "{e}");
    }

    #[test]
    fn keys_are_exact() {
        let keys = |column: ArrayRef| {
            let x = floats((0..column.len()).map(|i| i as f64));
            let (_, rows) = read(&[("x", x), ("g", column)], "kind=histogram group=g").unwrap();
            rows.keys.into_iter().map(|k| k.text).collect::<Vec<_>>()
        };
        assert_eq!(keys(floats([0.00001, 0.00002, 0.0, -0.0, f64::NAN])), ["0.00001", "0.00002", "0", "NULL"]);
        let identifiers = vec![Some(4_611_686_018_427_387_905), Some(4_611_686_018_427_387_904), None];
        let expected = ["4611686018427387905", "4611686018427387904", "NULL"];
        assert_eq!(keys(Arc::new(Int64Array::from(identifiers))), expected);
    }

    #[test]
    fn points_are_thinned_and_lines_are_not() {
        let n = 2 * MOST_POINTS + 10;
        let x = |wave: usize| floats((0..n).map(|i| (i / wave * wave + (wave - i % wave)) as f64));
        let kept = |wave: usize, hint: &str| {
            let (_, rows) = read(&[("x", x(wave)), ("y", x(wave))], hint).unwrap();
            (rows.numbers[&0].len(), rows.numbers[&1].len())
        };
        assert_eq!(kept(2, ""), (n.div_ceil(4), n.div_ceil(4)));
        assert_eq!(kept(1, ""), (n, n));
        assert_eq!(kept(1, "kind=points"), (n.div_ceil(4), n.div_ceil(4)));
        assert_eq!(kept(2, "kind=line"), (n, n));
        let map = read(&[("x", x(2)), ("y", x(2)), ("z", x(2))], "kind=heatmap color=z").unwrap_err().to_string();
        assert!(map.contains("100000 cells") && map.contains("hint:"), "{map}");
    }

    #[test]
    fn thinning_goes_on_where_the_last_batch_ended() {
        let values = |from: usize, n: usize| floats((from..from + n).map(|i| i as f64));
        let columns = read(&[("x", values(0, 1)), ("y", values(0, 1))], "kind=points").unwrap().0;
        let mut rows = Rows::new(&columns);
        let batch = |from, n| RecordBatch::try_from_iter([("x", values(from, n)), ("y", values(from, n))]).unwrap();
        for (from, n) in [(0, MOST_POINTS + 1), (MOST_POINTS + 1, 4), (MOST_POINTS + 5, 3)] {
            rows.read(&columns, Some(Kind::Points), &batch(from, n)).unwrap();
        }
        let expected: Vec<f64> = (0..MOST_POINTS + 8).step_by(2).map(|i| i as f64).collect();
        assert_eq!(rows.numbers[&0], expected);
    }
}
