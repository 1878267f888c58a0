//! Merges the columns of a table that consists of several files.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use lamcat_core::error::{Error, ErrorKind, Result};

/// A file's name and columns.
pub type FileColumns = (String, Schema);

/// Returns the columns of all `files` by name, in the order of their first occurrence; a column that a file lacks is
/// NULL in its rows. If types differ, the column has a type that can hold every value of both. `guessed` types are more
/// flexible: floats may be combined with integers, as each value is checked when it is read.
///
/// # Errors
/// If a name occurs twice in a file, types or units differ, or no type can hold the values of both; the message names
/// the files.
pub fn merged(files: &[FileColumns], guessed: bool) -> Result<Schema> {
    let mut fields: Vec<(FieldRef, &str)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (file, schema) in files {
        check_unique(file, schema)?;
        for field in schema.fields() {
            let Some(at) = places.get(field.name()).copied() else {
                places.insert(field.name().clone(), fields.len());
                fields.push((field.clone(), file));
                continue;
            };
            let (known, first) = &fields[at];
            if known.data_type() != field.data_type() || known.metadata() != field.metadata() {
                let common =
                    common_field(known, field, guessed).map_err(|why| differ(&why, field.name(), first, file))?;
                fields[at].0 = Arc::new(common);
            }
        }
    }
    let metadata = files.first().map(|(_, schema)| schema.metadata().clone()).unwrap_or_default();
    let fields = fields.into_iter().map(|(field, _)| {
        let is_known = field.is_nullable() || !has_nulls(&field, files);
        if is_known { field } else { Arc::new(field.as_ref().clone().with_nullable(true)) }
    });
    Ok(Schema::new_with_metadata(fields.collect::<Vec<_>>(), metadata))
}

/// Whether a column may be NULL in rows of a file, either because the file allows it or because the file lacks the
/// column.
fn has_nulls(field: &Field, files: &[FileColumns]) -> bool {
    files.iter().any(|(_, schema)| schema.field_with_name(field.name()).map_or(true, Field::is_nullable))
}

/// Checks that no two columns have the same name.
///
/// # Errors
/// If two have; the message names the column and the file.
pub fn check_unique(file: &str, schema: &Schema) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name().as_str())) {
        None => Ok(()),
        Some(twice) => Err(Error::new(ErrorKind::Input, format!("two columns are named '{}'", twice.name()))
            .at("file", file)
            .hint("rename one where the file is made: by their name they cannot be told apart")),
    }
}

fn differ(why: &str, column: &str, first: &str, second: &str) -> Error {
    Error::new(ErrorKind::Input, format!("the files' columns differ: {column} is {why}"))
        .at("files", format!("{first}, {second}"))
        .hint("read them one by one with a CAST, or declare the columns: CREATE EXTERNAL TABLE stars (source_id BIGINT, …)")
}

fn common_field(a: &Field, b: &Field, guessed: bool) -> Result<Field, String> {
    let data_type = common_type(a.data_type(), b.data_type(), guessed);
    let data_type =
        data_type.ok_or_else(|| format!("{} in the first and {} in the second", a.data_type(), b.data_type()))?;
    let unit = |f: &Field| f.metadata().get("unit").cloned();
    if let (Some(of_a), Some(of_b)) = (unit(a), unit(b))
        && of_a != of_b
    {
        return Err(format!("in {of_a} in the first and in {of_b} in the second"));
    }
    let mut metadata = b.metadata().clone();
    metadata.extend(a.metadata().clone());
    Ok(Field::new(a.name(), data_type, a.is_nullable() || b.is_nullable()).with_metadata(metadata))
}

/// Returns the narrowest type that can hold every value of both.
fn common_type(a: &DataType, b: &DataType, guessed: bool) -> Option<DataType> {
    use DataType as T;
    let list = |data_type: &DataType| match data_type {
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) => Some(item.data_type().clone()),
        _ => None,
    };
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (T::Null, other) | (other, T::Null) => Some(other.clone()),
        (T::FixedSizeList(of_a, length), T::FixedSizeList(of_b, other)) if length == other => {
            Some(T::new_fixed_size_list(common_type(of_a.data_type(), of_b.data_type(), guessed)?, *length, true))
        }
        _ if list(a).is_some() && list(b).is_some() => {
            Some(T::new_list(common_type(&list(a)?, &list(b)?, guessed)?, true))
        }
        (T::Timestamp(unit, None), T::Timestamp(other, None)) => Some(T::Timestamp((*unit).max(*other), None)),
        (T::Date32, T::Timestamp(unit, None)) | (T::Timestamp(unit, None), T::Date32) => {
            Some(T::Timestamp(*unit, None))
        }
        (T::Utf8 | T::Utf8View, T::Utf8 | T::Utf8View) => Some(T::Utf8),
        (T::Utf8 | T::LargeUtf8 | T::Utf8View, T::Utf8 | T::LargeUtf8 | T::Utf8View) => Some(T::LargeUtf8),
        _ if a.is_numeric() && b.is_numeric() => common_number(a, b, guessed),
        _ => merged_by_arrow(a, b),
    }
}

/// Returns the number of bits of an integer without its sign, and whether it is signed.
fn integer_bits(data_type: &DataType) -> Option<(u8, bool)> {
    Some(match data_type {
        DataType::Int8 => (7, true),
        DataType::Int16 => (15, true),
        DataType::Int32 => (31, true),
        DataType::Int64 => (63, true),
        DataType::UInt8 => (8, false),
        DataType::UInt16 => (16, false),
        DataType::UInt32 => (32, false),
        DataType::UInt64 => (64, false),
        _ => return None,
    })
}

fn common_number(a: &DataType, b: &DataType, guessed: bool) -> Option<DataType> {
    /// Returns the number of bits of the integers that a float represents exactly.
    fn float_bits(data_type: &DataType) -> Option<u8> {
        match data_type {
            DataType::Float16 => Some(11),
            DataType::Float32 => Some(24),
            DataType::Float64 => Some(53),
            _ => None,
        }
    }
    match (integer_bits(a), integer_bits(b)) {
        (Some((x, signed_x)), Some((y, signed_y))) if signed_x == signed_y => Some(if x >= y { a } else { b }.clone()),
        (Some((x, signed_x)), Some((y, _))) => {
            let (signed, unsigned) = if signed_x { (x, y) } else { (y, x) };
            match signed.max(unsigned) {
                0..=15 => Some(DataType::Int16),
                16..=31 => Some(DataType::Int32),
                32..=63 => Some(DataType::Int64),
                _ => None,
            }
        }
        (None, None) => Some(if float_bits(a)? >= float_bits(b)? { a } else { b }.clone()),
        (Some((bits, _)), None) | (None, Some((bits, _))) => {
            let float = if integer_bits(a).is_some() { b } else { a };
            if bits <= float_bits(float)? {
                Some(float.clone())
            } else {
                (bits <= 53 || guessed).then_some(DataType::Float64)
            }
        }
    }
}

/// Returns the result of arrow's own merging of two types, for example of structs with different fields.
fn merged_by_arrow(a: &DataType, b: &DataType) -> Option<DataType> {
    let mut field = Field::new("", a.clone(), true);
    field.try_merge(&Field::new("", b.clone(), true)).ok()?;
    Some(field.data_type().clone())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;

    use super::*;

    fn files(types: &[DataType]) -> Vec<FileColumns> {
        let schema = |t: &DataType| Schema::new(vec![Field::new("x", t.clone(), true)]);
        types.iter().enumerate().map(|(i, t)| (format!("f{i}"), schema(t))).collect()
    }

    fn of(types: &[DataType], guessed: bool) -> Option<DataType> {
        merged(&files(types), guessed).ok().map(|schema| schema.field(0).data_type().clone())
    }

    #[test]
    fn types_are_widened_where_nothing_is_lost() {
        use DataType as T;
        let cases = [
            (T::Int32, T::Int64, Some(T::Int64)),
            (T::Float32, T::Float64, Some(T::Float64)),
            (T::UInt8, T::Int8, Some(T::Int16)),
            (T::UInt32, T::Int16, Some(T::Int64)),
            (T::UInt64, T::Int64, None),
            (T::Int16, T::Float32, Some(T::Float32)),
            (T::Int32, T::Float32, Some(T::Float64)),
            (T::Int64, T::Float64, None),
            (T::Null, T::Boolean, Some(T::Boolean)),
            (T::Utf8, T::Int64, None),
            (T::Date32, T::Timestamp(TimeUnit::Second, None), Some(T::Timestamp(TimeUnit::Second, None))),
            (
                T::new_fixed_size_list(T::Float32, 2, true),
                T::new_list(T::Float64, true),
                Some(T::new_list(T::Float64, true)),
            ),
        ];
        for (a, b, expected) in cases {
            assert_eq!(of(&[a.clone(), b.clone()], false), expected, "{a} and {b}");
            assert_eq!(of(&[b.clone(), a.clone()], false), expected, "{b} and {a}");
        }
        assert_eq!(of(&[T::Int64, T::Float64], true), Some(T::Float64));
    }

    #[test]
    fn files_that_differ_are_named() {
        let e = merged(&files(&[DataType::Int64, DataType::Int64, DataType::Utf8]), false).unwrap_err().to_string();
        assert!(e.contains("x is Int64 in the first and Utf8 in the second (files f0, f2)"), "{e}");
        let in_unit = |unit: &str| {
            let metadata = HashMap::from([("unit".to_owned(), unit.to_owned())]);
            Schema::new(vec![Field::new("x", DataType::Int64, true).with_metadata(metadata)])
        };
        let e = merged(&[("a".to_owned(), in_unit("mas")), ("b".to_owned(), in_unit("deg"))], false)
            .unwrap_err()
            .to_string();
        assert!(e.contains("x is in mas in the first and in deg in the second (files a, b)"), "{e}");
    }

    #[test]
    fn a_name_that_comes_twice_is_an_error() {
        let twice = Schema::new(["a", "b", "a"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
        let e = merged(&[("f".to_owned(), twice)], false).unwrap_err().to_string();
        assert!(e.contains("two columns are named 'a' (file f)"), "{e}");
    }
}
