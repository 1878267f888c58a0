//! Lists and numbers of a batch's rows, read and written.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, Int64Array, LargeListArray, ListBuilder,
        PrimitiveBuilder,
    },
    buffer::{NullBuffer, ScalarBuffer},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
};
use datafusion::{common::Result, logical_expr::ColumnarValue};

/// An argument as an array; one row where it is the same for all rows.
#[derive(Debug)]
struct Column {
    array: ArrayRef,
    constant: bool,
}

impl Column {
    fn new(value: &ColumnarValue, data_type: &DataType) -> Result<Self> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (array.clone(), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        Ok(Self { array: cast(&array, data_type)?, constant })
    }

    /// Where a row's value is; `None` where it is NULL.
    fn index(&self, row: usize) -> Option<usize> {
        let index = if self.constant { 0 } else { row };
        self.array.is_valid(index).then_some(index)
    }
}

/// A column of lists of any number type; NULL elements are NaN.
#[derive(Debug)]
pub(super) struct Lists {
    column: Column,
    values: ScalarBuffer<f64>,
}

impl Lists {
    pub(super) fn new(value: &ColumnarValue) -> Result<Self> {
        let column = Column::new(value, &DataType::LargeList(item()))?;
        let lists: &LargeListArray = column.array.as_list();
        let values: &Float64Array = lists.values().as_primitive();
        let values = match values.null_count() {
            0 => values.values().clone(),
            _ => values.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
        };
        Ok(Self { column, values })
    }

    /// A row's list; `None` where it is NULL.
    pub(super) fn row(&self, row: usize) -> Option<&[f64]> {
        let index = self.column.index(row)?;
        let offsets = self.column.array.as_list::<i64>().value_offsets();
        self.values.get(offsets[index] as usize..offsets[index + 1] as usize)
    }
}

/// A column of numbers, or of NULLs where the argument is not given.
#[derive(Debug)]
pub(super) struct Numbers(Option<Column>);

impl Numbers {
    pub(super) fn new(value: Option<&ColumnarValue>) -> Result<Self> {
        Ok(Self(value.map(|v| Column::new(v, &DataType::Float64)).transpose()?))
    }

    /// A row's number; `None` where it is NULL.
    pub(super) fn row(&self, row: usize) -> Option<f64> {
        let column = self.0.as_ref()?;
        Some(column.array.as_primitive::<Float64Type>().value(column.index(row)?))
    }
}

/// A column of counts, or of NULLs where the argument is not given.
#[derive(Debug)]
pub(super) struct Counts(Option<Column>);

impl Counts {
    pub(super) fn new(value: Option<&ColumnarValue>) -> Result<Self> {
        Ok(Self(value.map(|v| Column::new(v, &DataType::Int64)).transpose()?))
    }

    /// A row's count; `None` where it is NULL or negative.
    pub(super) fn row(&self, row: usize) -> Option<usize> {
        let column = self.0.as_ref()?;
        let array: &Int64Array = column.array.as_primitive::<Int64Type>();
        usize::try_from(array.value(column.index(row)?)).ok()
    }
}

/// Field of a Float64 list's elements.
pub(super) fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float64, true))
}

/// A column of Float64 lists of `len` elements. `fill` gets a row and its elements; `None` makes the row NULL, a number
/// that is not finite makes the element NULL.
pub(super) fn fixed_lists(
    rows: usize,
    len: usize,
    fill: impl Fn(usize, &mut [f64]) -> Option<()>,
) -> Result<ColumnarValue> {
    let mut values = vec![f64::NAN; rows * len];
    let valid: Vec<bool> =
        values.chunks_exact_mut(len).enumerate().map(|(row, out)| fill(row, out).is_some()).collect();
    let elements: NullBuffer = values.iter().map(|v| v.is_finite()).collect();
    let values = Float64Array::new(values.into(), Some(elements));
    let lists = FixedSizeListArray::try_new(item(), len as i32, Arc::new(values), Some(NullBuffer::from(valid)))?;
    Ok(ColumnarValue::Array(Arc::new(lists)))
}

/// A column of Float64 lists. `fill` adds a row's elements; `None` makes the row NULL, and it has then added nothing; a
/// number that is not finite makes the element NULL.
pub(super) fn lists(rows: usize, mut fill: impl FnMut(usize, &mut Vec<f64>) -> Option<()>) -> ColumnarValue {
    let mut builder = ListBuilder::new(PrimitiveBuilder::<Float64Type>::new()).with_field(item());
    let mut elements = Vec::new();
    for row in 0..rows {
        elements.clear();
        let valid = fill(row, &mut elements).is_some();
        builder.values().extend(elements.iter().map(|v| v.is_finite().then_some(*v)));
        builder.append(valid);
    }
    ColumnarValue::Array(Arc::new(builder.finish()))
}

/// A column of Float64; `None` and what is not finite is NULL.
pub(super) fn floats(rows: usize, value: impl Fn(usize) -> Option<f64>) -> ColumnarValue {
    let column: Float64Array = (0..rows).map(|row| value(row).filter(|v| v.is_finite())).collect();
    ColumnarValue::Array(Arc::new(column))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Int32Array, ListArray};
    use datafusion::common::ScalarValue;

    use super::*;

    fn array(a: impl Array + 'static) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(a))
    }

    #[test]
    fn lists_of_any_type_are_read_with_their_nulls() {
        let rows = [Some(vec![Some(1), None]), None, Some(vec![])];
        let integers = ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(rows);
        let lists = Lists::new(&array(integers.slice(0, 3))).unwrap();
        assert!(lists.row(0).unwrap()[1].is_nan());
        assert_eq!((lists.row(1).is_none(), lists.row(2)), (true, Some(&[][..])));
        let sliced = Lists::new(&array(integers.slice(2, 1))).unwrap();
        assert_eq!(sliced.row(0), Some(&[][..]));
        let halves = Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5, 3.5]));
        let field = Arc::new(Field::new_list_field(DataType::Float32, true));
        let fixed = FixedSizeListArray::new(field, 2, halves, Some(NullBuffer::from(vec![false, true])));
        let lists = Lists::new(&array(fixed)).unwrap();
        assert_eq!((lists.row(0), lists.row(1)), (None, Some(&[2.5, 3.5][..])));
    }

    #[test]
    fn scalars_and_missing_arguments_serve_every_row() {
        let null = Lists::new(&ColumnarValue::Scalar(ScalarValue::Null)).unwrap();
        assert_eq!(null.row(7), None);
        assert_eq!(Counts::new(None).unwrap().row(7), None);
        let count = Counts::new(Some(&ColumnarValue::Scalar(ScalarValue::Float32(Some(3.0))))).unwrap();
        assert_eq!(count.row(7), Some(3));
        let counts = Counts::new(Some(&array(Int32Array::from(vec![Some(2), None, Some(-1)])))).unwrap();
        assert_eq!([0, 1, 2].map(|r| counts.row(r)), [Some(2), None, None]);
        assert_eq!(Numbers::new(Some(&array(Int32Array::from(vec![2])))).unwrap().row(0), Some(2.0));
    }
}
