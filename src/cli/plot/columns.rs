//! Decides which columns of a query are drawn.

use anyhow::bail;
use arrow::datatypes::{DataType, Field, Schema};
use lamcat_core::schema::nearest;

use super::plot_style::{Kind, PlotStyle};

/// Maximum number of series in a plot; more could not be distinguished.
pub(super) const MOST_SERIES: usize = 100;

/// The columns that are drawn, by their indices in the query.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// The column of the horizontal axis.
    pub(super) x: usize,
    /// The columns of the vertical axis; none in a histogram.
    pub(super) y: Vec<Drawn>,
    /// The column of the colours.
    pub(super) color: Option<usize>,
    /// The column whose values distinguish the series.
    pub(super) group: Option<usize>,
    /// Whether the column of the series was guessed rather than named.
    pub(super) group_guessed: bool,
}

/// A column of the vertical axis.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) column: usize,
    pub(super) band: Option<Band>,
}

/// Columns of a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Band {
    /// The lower and the upper edge.
    Edges(usize, usize),
    /// Half the height of a band around the values.
    Error(usize),
}

impl Columns {
    /// All columns that are drawn, ascending, each once.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut all = self.numbers();
        all.extend(self.group);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The columns whose numbers are drawn, ascending, each once.
    pub(super) fn numbers(&self) -> Vec<usize> {
        let bands = self.y.iter().filter_map(|y| y.band).flat_map(|b| match b {
            Band::Edges(low, high) => vec![low, high],
            Band::Error(error) => vec![error],
        });
        let ys = self.y.iter().map(|y| y.column);
        let mut all: Vec<usize> = std::iter::once(self.x).chain(ys).chain(bands).collect();
        all.extend(self.color);
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Applies the options, and guesses what they leave open.
    ///
    /// # Errors
    /// If a named column does not exist or has no numbers, or there is nothing to draw.
    pub(super) fn choose(schema: &Schema, style: &PlotStyle) -> anyhow::Result<Self> {
        if let Some(kind) = style.kind {
            style.fits(kind)?;
        }
        let mut bands = style.band.chunks(2);
        if style.band.len() % 2 == 1 || style.band.len() > 2 * style.y.len().max(1) {
            bail!(
                "--band has {} columns for {} of --y\nhint: give a lower and an upper edge for each --y",
                style.band.len(),
                style.y.len()
            );
        }
        let color = style.color.as_ref().map(|c| number(schema, c)).transpose()?;
        let named_group = style.group.as_ref().map(|c| find(schema, c)).transpose()?;
        let group_guessed = named_group.is_none();
        let group = named_group.or_else(|| only_text(schema).filter(|_| !style.no_group));
        let band_names = style.band.iter().map(|c| number(schema, c)).collect::<anyhow::Result<Vec<_>>>()?;
        let x_given = style.x.as_ref().map(|c| number(schema, c)).transpose()?;
        let free = |i: &usize| color != Some(*i) && named_group != Some(*i) && !band_names.contains(i);
        let numbers: Vec<usize> = (0..schema.fields().len()).filter(|i| numeric(schema.field(*i))).collect();
        let Some(x) = x_given.or_else(|| numbers.iter().copied().find(free)) else {
            let Some(any) = numbers.first() else {
                bail!(
                    "the query has no column with numbers: {}\nhint: select some, or CAST(… AS DOUBLE)",
                    names(schema)
                )
            };
            bail!(
                "no column is left for x beside '{}'\nhint: select another one, or name it with --x",
                schema.field(*any).name()
            );
        };
        if style.kind == Some(Kind::Histogram) {
            return Ok(Self { x, y: Vec::new(), color: None, group, group_guessed });
        }
        let ys = if style.y.is_empty() {
            let all: Vec<usize> = numbers.iter().copied().filter(|i| *i != x && free(i)).collect();
            let others: Vec<usize> = std::iter::once(x).chain(all.iter().copied()).collect();
            let drawn: Vec<usize> = all.into_iter().filter(|i| !is_band_of(schema, *i, &others)).collect();
            if color.is_some() { drawn.into_iter().take(1).collect() } else { drawn }
        } else {
            style.y.iter().map(|c| number(schema, c)).collect::<anyhow::Result<_>>()?
        };
        if ys.is_empty() && (color.is_some() || style.kind.is_some()) {
            bail!("there is no column for y beside x = '{}'\nhint: select another one", schema.field(x).name());
        }
        if ys.len() > MOST_SERIES {
            bail!("{} columns are too many for one picture\nhint: name some with --y", ys.len());
        }
        let mut drawn = Vec::with_capacity(ys.len());
        for column in ys {
            let band = match bands.next() {
                Some([low, high]) => Some(Band::Edges(number(schema, low)?, number(schema, high)?)),
                _ => guessed_band(schema, column),
            };
            drawn.push(Drawn { column, band });
        }
        Ok(Self { x, y: drawn, color, group, group_guessed })
    }
}

/// Whether a column holds numbers or lists of them.
pub(super) fn numeric(field: &Field) -> bool {
    match field.data_type() {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.data_type().is_numeric(),
        other => other.is_numeric(),
    }
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ")
}

fn find(schema: &Schema, name: &str) -> anyhow::Result<usize> {
    if let Ok(i) = schema.index_of(name) {
        return Ok(i);
    }
    let all: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let near = nearest(name, &all).map(|n| format!("did you mean '{n}'? ")).unwrap_or_default();
    bail!("the query has no column '{name}'\nhint: {near}it has {}", names(schema))
}

fn number(schema: &Schema, name: &str) -> anyhow::Result<usize> {
    let i = find(schema, name)?;
    let field = schema.field(i);
    if !numeric(field) {
        bail!(
            "column '{name}' holds no numbers, but {}\nhint: draw another, or CAST it in the query",
            field.data_type()
        );
    }
    Ok(i)
}

fn only_text(schema: &Schema) -> Option<usize> {
    let text = |i: &usize| schema.field(*i).data_type().is_string();
    let mut all = (0..schema.fields().len()).filter(text);
    all.next().filter(|_| all.next().is_none())
}

fn guessed_band(schema: &Schema, y: usize) -> Option<Band> {
    let name = schema.field(y).name();
    let column = |suffix: &str| {
        let i = schema.index_of(&format!("{name}_{suffix}")).ok()?;
        numeric(schema.field(i)).then_some(i)
    };
    let edges = column("lower").zip(column("upper")).map(|(low, high)| Band::Edges(low, high));
    edges.or_else(|| column("error").map(Band::Error))
}

/// Whether a column is the band of one of the others.
fn is_band_of(schema: &Schema, column: usize, others: &[usize]) -> bool {
    others.iter().filter(|o| **o != column).any(|o| match guessed_band(schema, *o) {
        Some(Band::Edges(low, high)) => column == low || column == high,
        Some(Band::Error(error)) => column == error,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        Schema::new(columns.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>())
    }

    fn choose(columns: &[(&str, DataType)], hint: &str) -> anyhow::Result<Columns> {
        Columns::choose(&schema(columns), &PlotStyle::from_hint(hint).unwrap())
    }

    const F: DataType = DataType::Float64;

    #[test]
    fn the_first_number_is_x_and_the_others_are_y() {
        let columns = [
            ("name", DataType::Utf8),
            ("nm", F),
            ("flux", F),
            ("flux_error", F),
            ("model", DataType::new_list(F, true)),
        ];
        let chosen = choose(&columns, "").unwrap();
        assert_eq!((chosen.x, chosen.group), (1, Some(0)));
        assert_eq!(chosen.y[0], Drawn { column: 2, band: Some(Band::Error(3)) });
        assert_eq!(chosen.y[1], Drawn { column: 4, band: None });
        assert_eq!(chosen.all(), [0, 1, 2, 3, 4]);
        let x_with_error = [("teff", F), ("teff_error", F), ("logg", F), ("logg_error", F)];
        let chosen = choose(&x_with_error, "").unwrap();
        assert_eq!((chosen.x, chosen.y), (0, vec![Drawn { column: 2, band: Some(Band::Error(3)) }]));
        let two = choose(&columns, "y=model,flux group=nm x=flux_error").unwrap();
        assert_eq!((two.x, two.group, two.y[0].column, two.y[1].column), (3, Some(1), 4, 2));
    }

    #[test]
    fn bands_are_named_or_guessed() {
        let columns = [("x", F), ("y", F), ("y_lower", F), ("y_upper", F), ("low", F), ("high", F)];
        let edges = |hint| choose(&columns, hint).unwrap().y[0].band;
        assert_eq!(edges("y=y"), Some(Band::Edges(2, 3)));
        assert_eq!(edges("y=y band=low,high"), Some(Band::Edges(4, 5)));
        assert!(choose(&columns, "y=y band=low").unwrap_err().to_string().contains("hint:"));
    }

    #[test]
    fn errors_name_the_column_and_what_there_is() {
        let columns = [("teff", F), ("logg", F), ("name", DataType::Utf8)];
        let e = choose(&columns, "x=tef").unwrap_err().to_string();
        assert!(e.contains("no column 'tef'") && e.contains("did you mean 'teff'? it has teff, logg, name"), "{e}");
        let e = choose(&columns, "y=name").unwrap_err().to_string();
        assert!(e.contains("'name' holds no numbers"), "{e}");
        let e = choose(&columns[2..], "").unwrap_err().to_string();
        assert!(e.contains("no column with numbers: name"), "{e}");
        let e = choose(&columns[..1], "color=teff").unwrap_err().to_string();
        assert!(e.contains("no column is left for x") && e.contains("hint:"), "{e}");
        let many: Vec<String> = (0..102).map(|i| format!("c{i}")).collect();
        let many: Vec<_> = many.iter().map(|n| (n.as_str(), F)).collect();
        assert!(choose(&many, "").unwrap_err().to_string().contains("101 columns are too many"));
    }

    #[test]
    fn colours_take_one_y_and_a_histogram_none() {
        let columns = [("a", F), ("b", F), ("c", F)];
        let chosen = choose(&columns, "color=c").unwrap();
        assert_eq!((chosen.x, chosen.y.len(), chosen.color), (0, 1, Some(2)));
        assert!(choose(&columns, "kind=histogram x=b").unwrap().y.is_empty());
        assert!(choose(&columns[..1], "").unwrap().y.is_empty());
    }
}
