//! Hashes of the values of an indexed column, which are summed up.

use std::hash::{DefaultHasher, Hash, Hasher};

use arrow::{
    array::{ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Int64Type},
};
use lamcat_core::error::{Error, ErrorKind, Result};

/// A number for each value of an indexed column; equal values have equal numbers.
pub(super) fn keys(column: &ArrayRef) -> Result<Vec<u64>> {
    let bad = |e| Error::new(ErrorKind::Input, "a column cannot be indexed").source(e);
    if column.data_type().is_integer() {
        let values = cast(column, &DataType::Int64).map_err(bad)?;
        return Ok(values.as_primitive::<Int64Type>().values().iter().map(|value| *value as u64).collect());
    }
    let texts = cast(column, &DataType::Utf8).map_err(bad)?;
    let key = |text: Option<&str>| {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        hasher.finish()
    };
    Ok(texts.as_string::<i32>().iter().map(key).collect())
}
