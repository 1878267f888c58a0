//! Builds the results of a batch row by row. Each function returns an array of `rows` rows.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int64Array, ListArray, ListBuilder, PrimitiveBuilder,
    },
    buffer::NullBuffer,
    datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
};
use datafusion::common::Result;

use crate::{error::Error, schema::ColumnMeta};

/// Returns a result's field with its unit (VOUnit), UCD and description.
#[must_use]
pub fn described(data_type: DataType, unit: &'static str, ucd: &'static str, description: &'static str) -> Field {
    let meta = ColumnMeta { unit, ucd, description };
    Field::new("result", data_type, true).with_metadata(meta.to_field_metadata())
}

/// The field of the elements of a Float64 list.
#[must_use]
pub fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

/// Returns Float64 values; `None` and values that are not finite become NULL.
#[must_use]
pub fn floats(rows: usize, value: impl Fn(usize) -> Option<f64>) -> ArrayRef {
    Arc::new((0..rows).map(|row| value(row).filter(|v| v.is_finite())).collect::<Float64Array>())
}

/// Returns Int64 values; `None` becomes NULL.
#[must_use]
pub fn integers(rows: usize, value: impl Fn(usize) -> Option<i64>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<Int64Array>())
}

/// Returns Boolean values; `None` becomes NULL.
#[must_use]
pub fn booleans(rows: usize, value: impl Fn(usize) -> Option<bool>) -> ArrayRef {
    Arc::new((0..rows).map(value).collect::<BooleanArray>())
}

/// Returns lists of Int64; `None` becomes NULL.
///
/// # Errors
/// The first error of `value`.
pub fn integer_lists(rows: usize, value: impl Fn(usize) -> Result<Option<Vec<i64>>, Error>) -> Result<ArrayRef> {
    let lists = (0..rows).map(value).collect::<Result<Vec<_>, Error>>()?;
    let lists = lists.into_iter().map(|list| list.map(|list| list.into_iter().map(Some)));
    Ok(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)))
}

/// Returns lists of `len` Float64. `fill` gets a row and its elements; `None` makes the row NULL, and a number that is
/// not finite makes the element NULL.
///
/// # Errors
/// If `len` is not a valid length of a list.
pub fn fixed_lists(rows: usize, len: usize, fill: impl Fn(usize, &mut [f64]) -> Option<()>) -> Result<ArrayRef> {
    let mut values = vec![f64::NAN; rows * len];
    let valid: Vec<bool> =
        values.chunks_exact_mut(len).enumerate().map(|(row, out)| fill(row, out).is_some()).collect();
    let elements: NullBuffer = values.iter().map(|v| v.is_finite()).collect();
    let values = Float64Array::new(values.into(), Some(elements));
    let lists = FixedSizeListArray::try_new(item(), len as i32, Arc::new(values), Some(NullBuffer::from(valid)))?;
    Ok(Arc::new(lists))
}

/// Returns lists of Float64. `fill` appends a row's elements; `None` makes the row NULL, in which case it must not have
/// appended anything; a number that is not finite makes the element NULL.
#[must_use]
pub fn lists(rows: usize, mut fill: impl FnMut(usize, &mut Vec<f64>) -> Option<()>) -> ArrayRef {
    let mut builder = ListBuilder::new(PrimitiveBuilder::<Float64Type>::new()).with_field(item());
    let mut elements = Vec::new();
    for row in 0..rows {
        elements.clear();
        let valid = fill(row, &mut elements).is_some();
        builder.values().extend(elements.iter().map(|v| v.is_finite().then_some(*v)));
        builder.append(valid);
    }
    Arc::new(builder.finish())
}
