//! The choice between several tables in a file.

use std::{collections::HashSet, fmt, str::FromStr};

use arrow::datatypes::Schema;
use lamcat_core::error::{Error, ErrorKind, Result};

/// Which tables to read from a file with several, such as a FITS file or a VOTable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum TableChoice {
    /// All of them; they must have the same columns.
    #[default]
    All,
    /// The first one.
    First,
    /// The table with this number, `#2` after the file's name: in FITS files the number of its unit, where the primary
    /// unit is 0; in VOTables the first table is 1.
    Number(usize),
    /// The table with this name, `#NAME` after the file's name.
    Name(String),
}

impl FromStr for TableChoice {
    type Err = Error;

    /// Parses the text after the `#` that follows a file's name.
    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Input, "no table is named after the '#'")
                .hint("write FILE#2 or FILE#NAME; without a '#' all tables of the file are read"));
        }
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number))
    }
}

impl fmt::Display for TableChoice {
    /// Writes the text after a file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All | Self::First => Ok(()),
            Self::Number(number) => write!(f, "#{number}"),
            Self::Name(name) => write!(f, "#{name}"),
        }
    }
}

/// Whether two tables have the same columns of the same types.
pub(super) fn alike(a: &Schema, b: &Schema) -> bool {
    let columns = |s: &Schema| s.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect::<Vec<_>>();
    columns(a) == columns(b)
}

impl TableChoice {
    /// Whether a table is chosen by its number and name.
    pub(super) fn is(&self, number: usize, name: Option<&str>) -> bool {
        match self {
            Self::All | Self::First => true,
            Self::Number(n) => *n == number,
            Self::Name(wanted) => name.is_some_and(|name| name.eq_ignore_ascii_case(wanted)),
        }
    }

    /// Returns the numbers of the chosen tables among tables with these numbers, names and columns.
    pub(super) fn among(&self, tables: &[(usize, Option<String>, Schema)]) -> Result<HashSet<usize>> {
        let mut chosen: Vec<_> = tables.iter().filter(|(n, name, _)| self.is(*n, name.as_deref())).collect();
        if *self == Self::First {
            chosen.truncate(1);
        }
        let Some((_, _, first)) = chosen.first() else {
            let wanted = match self {
                Self::Name(name) => format!("named '{name}'"),
                Self::Number(n) => format!("of number {n}"),
                Self::All | Self::First => "at all".to_owned(),
            };
            let message = format!("the file has no table {wanted}");
            return Err(Error::new(ErrorKind::Input, message).hint(format!("it has {}", listed(tables))));
        };
        if chosen.iter().any(|(_, _, other)| !alike(first, other)) {
            return Err(several(&listed(tables)));
        }
        Ok(chosen.iter().map(|(n, _, _)| *n).collect())
    }
}

/// The error for a file whose tables differ.
pub(super) fn several(listed: &str) -> Error {
    Error::new(ErrorKind::Input, format!("the file has several tables whose columns differ: {listed}"))
        .hint("choose one by number or name behind the file's name: 'FILE#2' or 'FILE#NAME'")
}

/// Lists tables in the form in which one chooses them.
pub(super) fn listed(tables: &[(usize, Option<String>, Schema)]) -> String {
    let one = |(number, name, schema): &(usize, Option<String>, Schema)| {
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let columns: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let more = columns.get(SHOWN..).map_or(0, <[_]>::len);
        let shown = columns[..columns.len().min(SHOWN)].join(", ");
        format!("#{number}{name} of {shown}{}", if more > 0 { format!(", … {more} more") } else { String::new() })
    };
    tables.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Number of a table's columns named in a message.
const SHOWN: usize = 4;
