//! Parses text cells as Arrow columns: numbers, logicals, dates, strings and lists of numbers.

mod lists;
mod logicals;
mod numbers;
mod times;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, ArrowPrimitiveType, StringBuilder},
    datatypes::{
        DataType, Date32Type, FieldRef, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};
use lists::Lists;
use logicals::{LogicalLists, Logicals};
use numbers::{ExactFloats, Numbers, TextNumber};
use times::{Times, is_date, is_time};

/// Maximum length of the fixed-size lists of a column. In such a column a row without a list takes as much memory as a
/// row with one, so longer lists become lists of any length.
pub(super) const LONGEST_FIXED: usize = 8192;

/// A cell that does not have its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Collects the cells of one column.
pub trait CellBuilder: Send {
    /// Appends a cell; nothing is appended if it is malformed.
    ///
    /// # Errors
    /// If the cell does not have the column's type.
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed>;

    /// Appends NULL.
    fn append_null(&mut self);

    /// Returns the column so far, and starts a new one.
    fn finish(&mut self) -> ArrayRef;
}

/// Returns the type of lists of `length` items each.
pub(super) fn list_of(item: DataType, length: usize) -> DataType {
    match i32::try_from(length) {
        Ok(n) if length <= LONGEST_FIXED => DataType::new_fixed_size_list(item, n, true),
        _ => DataType::new_list(item, true),
    }
}

/// Returns how many rows of `schema` take at most `bytes` for their fixed-size lists, which take the same memory if
/// they are NULL; at least one.
pub(super) fn rows_within(schema: &Schema, bytes: usize) -> usize {
    let of_row = |data_type: &DataType| match data_type {
        DataType::FixedSizeList(item, n) => *n as usize * item.data_type().primitive_width().unwrap_or(1),
        _ => 0,
    };
    let row: usize = schema.fields().iter().map(|f| of_row(f.data_type())).sum();
    (bytes / row.max(1)).max(1)
}

/// Returns a builder for columns of `data_type`; `None` if such columns cannot be read from text.
#[must_use]
pub fn cell_builder(data_type: &DataType) -> Option<Box<dyn CellBuilder>> {
    macro_rules! of_number {
        ($data_type:expr, $make:ident $(, $arg:expr)*) => {
            match $data_type {
                DataType::Int8 => Some($make::<Int8Type>($($arg),*)),
                DataType::Int16 => Some($make::<Int16Type>($($arg),*)),
                DataType::Int32 => Some($make::<Int32Type>($($arg),*)),
                DataType::Int64 => Some($make::<Int64Type>($($arg),*)),
                DataType::UInt8 => Some($make::<UInt8Type>($($arg),*)),
                DataType::UInt16 => Some($make::<UInt16Type>($($arg),*)),
                DataType::UInt32 => Some($make::<UInt32Type>($($arg),*)),
                DataType::UInt64 => Some($make::<UInt64Type>($($arg),*)),
                DataType::Float32 => Some($make::<Float32Type>($($arg),*)),
                DataType::Float64 => Some($make::<Float64Type>($($arg),*)),
                _ => None,
            }
        };
    }
    match data_type {
        DataType::Boolean => Some(Box::new(Logicals::default())),
        DataType::Utf8 => Some(Box::new(Strings(StringBuilder::with_capacity(0, 0)))),
        DataType::List(item) | DataType::FixedSizeList(item, _) if item.data_type() == &DataType::Boolean => {
            Some(Box::new(LogicalLists::new(data_type)))
        }
        DataType::List(item) => of_number!(item.data_type(), lists, item, None),
        DataType::FixedSizeList(item, n) => of_number!(item.data_type(), lists, item, Some(*n)),
        DataType::Date32 => Some(Box::new(Times::<Date32Type>::new(is_date))),
        DataType::Timestamp(unit, None) => Some(times(*unit)),
        number => of_number!(number, numbers),
    }
}

/// Returns a builder for a column whose type was guessed. It refuses integers that would lose digits as floats.
#[must_use]
pub fn guessed_builder(data_type: &DataType) -> Option<Box<dyn CellBuilder>> {
    match data_type {
        DataType::Float64 => Some(Box::new(ExactFloats::default())),
        other => cell_builder(other),
    }
}

fn times(unit: TimeUnit) -> Box<dyn CellBuilder> {
    match unit {
        TimeUnit::Second => Box::new(Times::<TimestampSecondType>::new(is_time::<0>)),
        TimeUnit::Millisecond => Box::new(Times::<TimestampMillisecondType>::new(is_time::<3>)),
        TimeUnit::Microsecond => Box::new(Times::<TimestampMicrosecondType>::new(is_time::<6>)),
        TimeUnit::Nanosecond => Box::new(Times::<TimestampNanosecondType>::new(is_time::<9>)),
    }
}

fn numbers<T: ArrowPrimitiveType<Native: TextNumber>>() -> Box<dyn CellBuilder> {
    Box::new(Numbers::<T>::default())
}

fn lists<T: ArrowPrimitiveType<Native: TextNumber>>(item: &FieldRef, length: Option<i32>) -> Box<dyn CellBuilder> {
    Box::new(Lists::<T>::new(item, length))
}

/// Words for "no value" in columns of numbers, logicals and dates, in upper or lower case, as written by the Gaia
/// archive, Python, astropy and R. A word that begins with another one comes before it.
const NULL_WORDS: [&[u8]; 5] = [b"null", b"none", b"nan", b"n/a", b"na"];

/// Returns the length of a word for "no value" at the beginning of `text`.
pub(super) fn null_word(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(b'n' | b'N')) {
        return None;
    }
    let begins = |word: &&&[u8]| text.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    NULL_WORDS.iter().find(begins).map(|word| word.len())
}

struct Strings(StringBuilder);

impl CellBuilder for Strings {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        if cell.is_empty() {
            self.0.append_null();
            return Ok(());
        }
        if memchr::memchr(0, cell).is_some() {
            return Err(Malformed);
        }
        self.0.append_value(std::str::from_utf8(cell).map_err(|_| Malformed)?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    fn read(data_type: &DataType, cells: &[&str]) -> Vec<Result<(), Malformed>> {
        let mut builder = cell_builder(data_type).unwrap();
        let results: Vec<_> = cells.iter().map(|c| builder.append(c.as_bytes())).collect();
        let array = builder.finish();
        assert_eq!(array.len(), results.iter().filter(|r| r.is_ok()).count());
        assert_eq!(builder.finish().len(), 0);
        results
    }

    #[test]
    fn lists_in_every_notation_hold_the_same_numbers() {
        let mut builder = cell_builder(&DataType::new_list(DataType::Float64, true)).unwrap();
        for cell in ["[1.5,-2e-3,3]", "(1.5, -2e-3, 3)", "1.5 -2e-3 3", " [ 1.5 , -2e-3 , 3 ] ", "(1.5,-2e-3,3,)"] {
            builder.append(cell.as_bytes()).unwrap();
        }
        let array = builder.finish();
        for row in array.as_list::<i32>().iter() {
            assert_eq!(row.unwrap().as_primitive::<Float64Type>().values(), &[1.5, -2e-3, 3.0]);
        }
    }

    #[test]
    fn missing_values_are_null() {
        let mut builder = cell_builder(&DataType::new_list(DataType::Float32, true)).unwrap();
        for cell in ["", "null", "[]", "[nan,1,null]", "(None, 1.0, NaN)"] {
            builder.append(cell.as_bytes()).unwrap();
        }
        let array = builder.finish();
        let lists = array.as_list::<i32>();
        assert!(lists.is_null(0) && lists.is_null(1) && lists.value(2).is_empty());
        assert!((3..5).all(|i| lists.value(i).null_count() == 2 && lists.value(i).len() == 3));
        for t in [DataType::Float64, DataType::Int64, DataType::Boolean] {
            assert!(read(&t, &["", "null", "nan"]).iter().all(Result::is_ok));
        }
    }

    #[test]
    fn malformed_cells_append_nothing() {
        let list = DataType::new_list(DataType::Float32, true);
        for cell in ["[1,2", "1,2]x", "[1,2]3", "[1 2]", "[1,,2]", "[1,a]", "[[1]]", "(1]", "[", "1;2"] {
            assert_eq!(read(&list, &[cell]), [Err(Malformed)], "{cell}");
        }
        assert_eq!(read(&DataType::Int16, &["40000", "1.5", "-", "7"]).iter().filter(|r| r.is_ok()).count(), 1);
        assert_eq!(read(&DataType::Float64, &["1.0x", "\0", "1e5"]).iter().filter(|r| r.is_ok()).count(), 1);
        let fixed = DataType::new_fixed_size_list(DataType::Float32, 2, true);
        assert_eq!(read(&fixed, &["[1,2]", "[1]", "[]", "", "[1,2,3]"]).iter().filter(|r| r.is_ok()).count(), 3);
        assert_eq!(read(&DataType::Utf8, &["a\0b", "é"]).iter().filter(|r| r.is_ok()).count(), 1);
    }

    #[test]
    fn the_words_for_no_value_are_read_in_any_case() {
        let words = ["null", "NULL", "Null", "None", "NaN", "NAN", "na", "N/A", "n/a", ""];
        for t in [DataType::Int64, DataType::Float32, DataType::Boolean, DataType::Date32] {
            assert!(read(&t, &words).iter().all(Result::is_ok), "{t}");
            assert!(read(&t, &["nano", "nulls", "-"]).iter().all(Result::is_err), "{t}");
        }
    }

    #[test]
    fn lists_of_logicals_are_words_or_bits() {
        let mut builder = cell_builder(&DataType::new_list(DataType::Boolean, true)).unwrap();
        for cell in ["1 0 1", "101", "T F ?", "true false", ""] {
            builder.append(cell.as_bytes()).unwrap();
        }
        assert!(builder.append(b"2 3").is_err());
        let array = builder.finish();
        let lengths: Vec<_> = array.as_list::<i32>().iter().map(|l| l.map(|l| l.as_boolean().true_count())).collect();
        assert_eq!(lengths, [Some(2), Some(2), Some(1), Some(1), None]);
        assert_eq!(array.as_list::<i32>().value(2).null_count(), 1);
    }

    #[test]
    fn rows_without_a_list_of_one_length_are_bounded_by_its_bytes() {
        let schema = |n| Schema::new(vec![arrow::datatypes::Field::new("a", list_of(DataType::Float64, n), true)]);
        assert_eq!(rows_within(&schema(1024), 1 << 20), 128);
        assert_eq!(rows_within(&schema(LONGEST_FIXED + 1), 1 << 20), 1 << 20);
        assert!(matches!(list_of(DataType::Float64, 2_000_000_000), DataType::List(_)));
    }

    #[test]
    fn integers_keep_all_their_digits() {
        let mut builder = cell_builder(&DataType::Int64).unwrap();
        builder.append(b"5853498713190525696").unwrap();
        assert_eq!(builder.finish().as_primitive::<Int64Type>().value(0), 5_853_498_713_190_525_696);
    }
}
