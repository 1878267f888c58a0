//! Reads the arguments of a batch row by row.

use arrow::{
    array::{Array, AsArray, Float64Array, Int64Array, LargeListArray},
    buffer::ScalarBuffer,
    compute::{CastOptions, cast_with_options},
    datatypes::DataType,
};
use datafusion::{
    common::{Result, internal_err},
    logical_expr::ColumnarValue,
};

use super::results::item;

/// An argument as an array of one type; it has a single row if the value is the same for all rows.
#[derive(Debug)]
struct Column<A> {
    array: A,
    constant: bool,
}

impl<A: Array + Clone + 'static> Column<A> {
    /// Casts the argument to another type; a value that does not fit becomes NULL if `safe`, otherwise it is an error.
    fn new(value: &ColumnarValue, data_type: &DataType, safe: bool) -> Result<Self> {
        let (array, constant) = match value {
            ColumnarValue::Array(array) => (array.clone(), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let array = cast_with_options(&array, data_type, &CastOptions { safe, ..CastOptions::default() })?;
        let Some(array) = array.as_any().downcast_ref::<A>() else {
            return internal_err!("an argument is not of type {data_type}");
        };
        Ok(Self { array: array.clone(), constant })
    }

    /// Returns the position of a row's value; `None` if it is NULL.
    fn index(&self, row: usize) -> Option<usize> {
        let index = if self.constant { 0 } else { row };
        self.array.is_valid(index).then_some(index)
    }
}

/// A column of lists of any number type; NULL elements become NaN.
#[derive(Debug)]
pub struct Lists {
    column: Column<LargeListArray>,
    values: ScalarBuffer<f64>,
}

impl Lists {
    pub(super) fn new(value: &ColumnarValue) -> Result<Self> {
        let column = Column::<LargeListArray>::new(value, &DataType::LargeList(item()), true)?;
        let values: &Float64Array = column.array.values().as_primitive();
        let values = match values.null_count() {
            0 => values.values().clone(),
            _ => values.iter().map(|v| v.unwrap_or(f64::NAN)).collect(),
        };
        Ok(Self { column, values })
    }

    /// Returns a row's list; `None` if it is NULL.
    #[must_use]
    pub fn at(&self, row: usize) -> Option<&[f64]> {
        let index = self.column.index(row)?;
        let offsets = self.column.array.value_offsets();
        self.values.get(offsets[index] as usize..offsets[index + 1] as usize)
    }
}

/// A column of numbers of any type, or of NULLs if the argument is not given.
#[derive(Debug)]
pub struct Numbers(Option<Column<Float64Array>>);

impl Numbers {
    pub(super) fn new(value: Option<&ColumnarValue>) -> Result<Self> {
        Ok(Self(value.map(|value| Column::new(value, &DataType::Float64, true)).transpose()?))
    }

    /// Returns a row's number; `None` if it is NULL, NaN or infinite.
    #[must_use]
    pub fn at(&self, row: usize) -> Option<f64> {
        let column = self.0.as_ref()?;
        let number = column.array.value(column.index(row)?);
        number.is_finite().then_some(number)
    }
}

/// A column of integers.
#[derive(Debug)]
pub struct Integers(Column<Int64Array>);

impl Integers {
    pub(super) fn new(value: &ColumnarValue) -> Result<Self> {
        Ok(Self(Column::new(value, &DataType::Int64, false)?))
    }

    /// Returns a row's integer; `None` if it is NULL.
    #[must_use]
    pub fn at(&self, row: usize) -> Option<i64> {
        Some(self.0.array.value(self.0.index(row)?))
    }
}

/// A column of counts, or of NULLs if the argument is not given.
#[derive(Debug)]
pub struct Counts(Option<Column<Int64Array>>);

impl Counts {
    pub(super) fn new(value: Option<&ColumnarValue>) -> Result<Self> {
        Ok(Self(value.map(|value| Column::new(value, &DataType::Int64, true)).transpose()?))
    }

    /// Returns a row's count; `None` if it is NULL or negative.
    #[must_use]
    pub fn at(&self, row: usize) -> Option<usize> {
        let column = self.0.as_ref()?;
        usize::try_from(column.array.value(column.index(row)?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{FixedSizeListArray, Float32Array, Int32Array, ListArray, UInt64Array},
        buffer::NullBuffer,
        datatypes::{Field, Int32Type},
    };
    use datafusion::common::ScalarValue;

    use super::*;

    fn array(a: impl Array + 'static) -> ColumnarValue {
        ColumnarValue::Array(Arc::new(a))
    }

    #[test]
    fn lists_of_any_type_are_read_with_their_nulls() {
        let rows = [Some(vec![Some(1), None]), None, Some(vec![])];
        let integers = ListArray::from_iter_primitive::<Int32Type, _, _>(rows);
        let lists = Lists::new(&array(integers.slice(0, 3))).unwrap();
        assert!(lists.at(0).unwrap()[1].is_nan());
        assert_eq!((lists.at(1).is_none(), lists.at(2)), (true, Some(&[][..])));
        let sliced = Lists::new(&array(integers.slice(2, 1))).unwrap();
        assert_eq!(sliced.at(0), Some(&[][..]));
        let halves = Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5, 3.5]));
        let field = Arc::new(Field::new_list_field(DataType::Float32, true));
        let fixed = FixedSizeListArray::new(field, 2, halves, Some(NullBuffer::from(vec![false, true])));
        let lists = Lists::new(&array(fixed)).unwrap();
        assert_eq!((lists.at(0), lists.at(1)), (None, Some(&[2.5, 3.5][..])));
    }

    #[test]
    fn scalars_and_missing_arguments_serve_every_row() {
        let null = Lists::new(&ColumnarValue::Scalar(ScalarValue::Null)).unwrap();
        assert_eq!(null.at(7), None);
        assert_eq!(Counts::new(None).unwrap().at(7), None);
        let count = Counts::new(Some(&ColumnarValue::Scalar(ScalarValue::Float32(Some(3.0))))).unwrap();
        assert_eq!(count.at(7), Some(3));
        let counts = Counts::new(Some(&array(Int32Array::from(vec![Some(2), None, Some(-1)])))).unwrap();
        assert_eq!([0, 1, 2].map(|r| counts.at(r)), [Some(2), None, None]);
        assert_eq!(Numbers::new(Some(&array(Int32Array::from(vec![2])))).unwrap().at(0), Some(2.0));
    }

    #[test]
    fn numbers_are_finite_and_integers_fit() {
        let numbers = Float64Array::from(vec![Some(0.5), Some(f64::NAN), Some(f64::INFINITY), None]);
        let numbers = Numbers::new(Some(&array(numbers))).unwrap();
        assert_eq!([0, 1, 2, 3].map(|r| numbers.at(r)), [Some(0.5), None, None, None]);
        let integers = Integers::new(&array(UInt64Array::from(vec![Some(3), None]))).unwrap();
        assert_eq!([0, 1].map(|r| integers.at(r)), [Some(3), None]);
        assert!(Integers::new(&array(UInt64Array::from(vec![u64::MAX]))).is_err());
    }
}
