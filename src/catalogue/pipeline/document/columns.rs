//! The columns of a catalogue: their names, types and descriptions.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{check_ucd, nearest},
};
use lamcat_sql::session::identifier_advice;

use super::{column_defaults::defaults, resolve::Pipeline, rules::is_plain_name, spec::ColumnText};

/// Columns that every catalogue has, and their types.
const REQUIRED: [(&str, DataType, &str); 3] = [
    ("source_id", DataType::Int64, "BIGINT"),
    ("ra", DataType::Float64, "DOUBLE"),
    ("dec", DataType::Float64, "DOUBLE"),
];

/// Names, in lower case, that HATS uses for columns it adds or for parts of its paths.
const RESERVED: [&str; 4] = ["_healpix_29", "norder", "dir", "npix"];

/// Where the description of a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The pipeline file.
    File,
    /// The query: its functions, or the columns of its inputs.
    Query,
    /// lamcat, which derives it from the column's name.
    Name,
}

impl Origin {
    /// A short name for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "pipeline file",
            Self::Query => "query",
            Self::Name => "lamcat",
        }
    }
}

/// The fields in the query's order with unit, UCD and description as metadata, and where each description comes from.
pub(super) fn resolve(pipeline: &Pipeline, planned: &Schema) -> Result<(SchemaRef, Vec<Origin>)> {
    let in_query = |message: String| Error::new(ErrorKind::Plan, message).at("file", pipeline.sql.path.display());
    check_names(planned, &in_query)?;
    for (name, wanted, sql) in &REQUIRED {
        let Ok(field) = planned.field_with_name(name) else {
            return Err(in_query(format!("the query gives no column {name}"))
                .hint("a catalogue needs source_id, ra and dec of every row"));
        };
        if field.data_type() != wanted {
            // An identifier that was converted to a float has lost digits that no cast can restore.
            let identifier = identifier_advice(name, field.data_type()).filter(|_| *name == "source_id");
            let hint = identifier.unwrap_or_else(|| format!("write CAST({name} AS {sql}) AS {name}"));
            return Err(in_query(format!("{name} is {}, but must be {wanted}", field.data_type())).hint(hint));
        }
    }
    for field in planned.fields() {
        check_type(field).map_err(|(message, hint)| in_query(message).hint(hint))?;
    }
    if let Some(name) = pipeline.columns.keys().find(|name| planned.field_with_name(name).is_err()) {
        return Err(no_column(pipeline, &format!("columns.{name}"), name, planned));
    }
    let mut fields = Vec::with_capacity(planned.fields().len());
    let mut origins = Vec::with_capacity(planned.fields().len());
    let mut unknown = Vec::new();
    for field in planned.fields() {
        let (text, origin) = text(pipeline, planned, field.name());
        match (&text.ucd, &text.description) {
            (Some(ucd), Some(description)) if !description.trim().is_empty() => {
                check_ucd(ucd).map_err(|problem| {
                    in_query(format!("the UCD of {}: {problem}", field.name()))
                        .hint(format!("give another in [columns.{}]", field.name()))
                })?;
            }
            _ => unknown.push(field.name().as_str()),
        }
        let metadata = [("unit", text.unit), ("ucd", text.ucd), ("description", text.description)];
        let metadata = metadata.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let metadata: HashMap<String, String> = metadata.filter(|(_, value)| !value.is_empty()).collect();
        fields.push(field.as_ref().clone().with_metadata(metadata));
        origins.push(origin);
    }
    if let Some(first) = unknown.first() {
        return Err(in_query(format!("columns without a UCD or a description: {}", unknown.join(", "))).hint(format!(
            "say in {} what they are, e.g.\n[columns.{first}]\nunit = \"mag\"\nucd = \"phot.mag\"\ndescription = \"…\"",
            pipeline.file.display()
        )));
    }
    Ok((Arc::new(Schema::new(fields)), origins))
}

/// The error for a key that names a column which the query does not return.
pub(super) fn no_column(pipeline: &Pipeline, key: &str, name: &str, schema: &Schema) -> Error {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let near = nearest(name, &names).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
    let error = pipeline.error(key, format!("the query gives no column '{name}'"));
    error.hint(format!("{near}its columns: {}", names.join(", ")))
}

fn check_names(planned: &Schema, in_query: &dyn Fn(String) -> Error) -> Result<()> {
    let mut names: Vec<String> = Vec::new();
    for name in planned.fields().iter().map(|f| f.name()) {
        let lower = name.to_lowercase();
        if RESERVED.contains(&lower.as_str()) {
            return Err(in_query(format!("no column may be called {name}"))
                .hint("HATS has a column or a part of its paths of this name: rename it with AS"));
        }
        if !is_plain_name(name) {
            return Err(in_query(format!("'{name}' cannot be the name of a column"))
                .hint("name it with AS: lower-case letters, digits and underscores"));
        }
        if names.contains(&lower) {
            return Err(in_query(format!("two columns are called {name}")).hint("rename one with AS"));
        }
        names.push(lower);
    }
    Ok(())
}

/// Checks that readers of catalogues support the type of a column; returns what is wrong, and what to do about it.
fn check_type(field: &Field) -> Result<(), (String, String)> {
    let name = field.name();
    let hint = match field.data_type() {
        DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Boolean
        | DataType::Utf8 => return Ok(()),
        DataType::FixedSizeList(item, _) if matches!(item.data_type(), DataType::Float32 | DataType::Float64) => {
            return Ok(());
        }
        DataType::Int8 | DataType::UInt8 => format!("write CAST({name} AS SMALLINT)"),
        DataType::UInt16 => format!("write CAST({name} AS INT)"),
        DataType::UInt32 | DataType::UInt64 => format!("write CAST({name} AS BIGINT)"),
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            format!("write CAST({name} AS BIGINT) or CAST({name} AS DOUBLE)")
        }
        DataType::Float16 | DataType::Null => format!("write CAST({name} AS REAL), or another type"),
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            format!("write arrow_cast({name}, 'Utf8')")
        }
        DataType::FixedSizeList(_, n) => format!("write arrow_cast({name}, 'FixedSizeList({n}, Float32)')"),
        DataType::List(_) | DataType::LargeList(_) | DataType::ListView(_) | DataType::LargeListView(_) => {
            format!("give all rows as many elements: arrow_cast({name}, 'FixedSizeList(110, Float32)') for 110")
        }
        DataType::Struct(_) => format!("give its fields as columns of their own, e.g. {name}['teff'] AS teff"),
        _ => format!("write CAST({name} AS VARCHAR), or give it as a number"),
    };
    let message = format!("{name} is {}, which many readers of catalogues do not know", field.data_type());
    Err((message, hint))
}

/// The description of a column, and where it comes from.
fn text(pipeline: &Pipeline, planned: &Schema, name: &str) -> (ColumnText, Origin) {
    let typed = pipeline.columns.get(name).cloned().unwrap_or_default();
    let metadata = planned.field_with_name(name).map(|f| f.metadata().clone()).unwrap_or_default();
    let get = |key: &str| metadata.get(key).filter(|value| !value.is_empty()).cloned();
    let query = ColumnText { unit: get("unit"), ucd: get("ucd"), description: get("description") };
    let name = defaults(name, |base| text(pipeline, planned, base).0);
    let origin = match (&typed.ucd, &query.ucd) {
        (Some(_), _) => Origin::File,
        (None, Some(_)) => Origin::Query,
        (None, None) => Origin::Name,
    };
    let text = ColumnText {
        unit: typed.unit.or(query.unit).or(name.unit),
        ucd: typed.ucd.or(query.ucd).or(name.ucd),
        description: typed.description.or(query.description).or(name.description),
    };
    (text, origin)
}
