//! Text cells to Arrow columns: numbers, logicals, strings and lists of numbers.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanBuilder, FixedSizeListArray, ListArray, PrimitiveArray, StringBuilder},
    buffer::{BooleanBuffer, NullBuffer, OffsetBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, FieldRef, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

/// A cell that is not of its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Gathers the cells of one column.
pub trait CellBuilder: Send {
    /// Appends a cell; nothing is appended if it is malformed.
    ///
    /// # Errors
    /// If the cell is not of the column's type.
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed>;

    /// Appends NULL.
    fn append_null(&mut self);

    /// The column so far; the builder begins anew.
    fn finish(&mut self) -> ArrayRef;
}

/// A builder for columns of `data_type`; `None` if such columns cannot be read from text.
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
        DataType::Boolean => Some(Box::new(Booleans(BooleanBuilder::new()))),
        DataType::Utf8 => Some(Box::new(Strings(StringBuilder::new()))),
        DataType::List(item) => of_number!(item.data_type(), lists, item, None),
        DataType::FixedSizeList(item, n) => of_number!(item.data_type(), lists, item, Some(*n)),
        number => of_number!(number, numbers),
    }
}

fn numbers<T: ArrowPrimitiveType<Native: TextNumber>>() -> Box<dyn CellBuilder> {
    Box::new(Numbers::<T>::default())
}

fn lists<T: ArrowPrimitiveType<Native: TextNumber>>(item: &FieldRef, length: Option<i32>) -> Box<dyn CellBuilder> {
    Box::new(Lists::<T> { items: Numbers::default(), item: item.clone(), ends: vec![0], nulls: Vec::new(), length })
}

/// A number that can be read from the beginning of a text.
trait TextNumber: Copy + Default + Send {
    /// The number, or `None` if it is not one (NaN), and the bytes it took.
    fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed>;
}

macro_rules! text_float {
    ($($t:ty),*) => {$(
        impl TextNumber for $t {
            fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed> {
                let (value, used) = fast_float2::parse_partial::<$t, _>(text).map_err(|_| Malformed)?;
                Ok(((!value.is_nan()).then_some(value), used))
            }
        }
    )*};
}
text_float!(f32, f64);

macro_rules! text_integer {
    ($($t:ty),*) => {$(
        impl TextNumber for $t {
            fn parse(text: &[u8]) -> Result<(Option<Self>, usize), Malformed> {
                let used = text.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+')).count();
                let digits = std::str::from_utf8(&text[..used]).map_err(|_| Malformed)?;
                Ok((Some(digits.parse().map_err(|_| Malformed)?), used))
            }
        }
    )*};
}
text_integer!(i8, i16, i32, i64, u8, u16, u32, u64);

/// Length of a word for "no value" at the beginning of `text`: as the Gaia archive, Python and astropy write it.
fn null_word(text: &[u8]) -> Option<usize> {
    if !matches!(text.first(), Some(b'n' | b'N')) {
        return None;
    }
    let words: [&[u8]; 5] = [b"null", b"NULL", b"None", b"nan", b"NaN"];
    words.iter().find(|w| text.starts_with(w)).map(|w| w.len())
}

struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    /// Positions without a value.
    nulls: Vec<usize>,
}

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Self { values: Vec::new(), nulls: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> Numbers<T> {
    fn push(&mut self, value: Option<T::Native>) {
        if value.is_none() {
            self.nulls.push(self.values.len());
        }
        self.values.push(value.unwrap_or_default());
    }

    fn truncate(&mut self, length: usize) {
        self.values.truncate(length);
        while self.nulls.last().is_some_and(|i| *i >= length) {
            self.nulls.pop();
        }
    }

    fn take(&mut self) -> PrimitiveArray<T> {
        let values = std::mem::take(&mut self.values);
        let nulls = validity(values.len(), &std::mem::take(&mut self.nulls));
        PrimitiveArray::new(values.into(), nulls)
    }
}

fn validity(length: usize, nulls: &[usize]) -> Option<NullBuffer> {
    if nulls.is_empty() {
        return None;
    }
    let mut valid = vec![true; length];
    for i in nulls {
        valid[*i] = false;
    }
    Some(NullBuffer::new(BooleanBuffer::from(valid)))
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> CellBuilder for Numbers<T> {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let cell = cell.trim_ascii();
        if cell.is_empty() || null_word(cell) == Some(cell.len()) {
            self.push(None);
            return Ok(());
        }
        let (value, used) = T::Native::parse(cell)?;
        if used < cell.len() {
            return Err(Malformed);
        }
        self.push(value);
        Ok(())
    }

    fn append_null(&mut self) {
        self.push(None);
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.take())
    }
}

/// Lists, written `[1,2]`, `(1, 2)` or `1 2`. An empty cell is NULL, and `[]` too where the length is fixed.
struct Lists<T: ArrowPrimitiveType> {
    items: Numbers<T>,
    item: FieldRef,
    ends: Vec<i32>,
    nulls: Vec<usize>,
    length: Option<i32>,
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> Lists<T> {
    fn rows(&self) -> usize {
        self.ends.len() - 1
    }

    fn read_items(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let (mut rest, close) = match cell.first() {
            Some(b'[') => (&cell[1..], Some(b']')),
            Some(b'(') => (&cell[1..], Some(b')')),
            _ => (cell, None),
        };
        loop {
            rest = rest.trim_ascii_start();
            match (rest.first(), close) {
                (None, None) => return Ok(()),
                (Some(b), Some(close)) if *b == close => {
                    return if rest.len() == 1 { Ok(()) } else { Err(Malformed) };
                }
                (None, Some(_)) => return Err(Malformed),
                _ => {}
            }
            let (value, used) = match null_word(rest) {
                Some(used) => (None, used),
                None => T::Native::parse(rest)?,
            };
            self.items.push(value);
            rest = separator(&rest[used..], close)?;
        }
    }
}

/// What follows the separator after an element: a comma, white space in lists without brackets, or the list's end.
fn separator(text: &[u8], close: Option<u8>) -> Result<&[u8], Malformed> {
    let rest = text.trim_ascii_start();
    match (rest.first(), close) {
        (Some(b','), _) => Ok(&rest[1..]),
        (None, None) => Ok(rest),
        (Some(b), Some(close)) if *b == close => Ok(rest),
        (Some(_), None) if rest.len() < text.len() => Ok(rest),
        _ => Err(Malformed),
    }
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> CellBuilder for Lists<T> {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let cell = cell.trim_ascii();
        if cell.is_empty() || null_word(cell) == Some(cell.len()) {
            self.append_null();
            return Ok(());
        }
        let begin = self.items.values.len();
        let read = self.read_items(cell).and_then(|()| i32::try_from(self.items.values.len()).map_err(|_| Malformed));
        let end = match read {
            Ok(end) => end,
            Err(e) => {
                self.items.truncate(begin);
                return Err(e);
            }
        };
        match self.length {
            Some(_) if end as usize == begin => self.append_null(),
            Some(n) if end as usize - begin != n as usize => {
                self.items.truncate(begin);
                return Err(Malformed);
            }
            _ => self.ends.push(end),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.nulls.push(self.rows());
        for _ in 0..self.length.unwrap_or(0) {
            self.items.push(None);
        }
        self.ends.push(self.items.values.len() as i32);
    }

    fn finish(&mut self) -> ArrayRef {
        let nulls = validity(self.rows(), &std::mem::take(&mut self.nulls));
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let rows = ends.len() - 1;
        let items: ArrayRef = Arc::new(self.items.take());
        match self.length {
            Some(n) if rows > 0 => Arc::new(FixedSizeListArray::new(self.item.clone(), n, items, nulls)),
            Some(n) => arrow::array::new_empty_array(&DataType::FixedSizeList(self.item.clone(), n)),
            None => Arc::new(ListArray::new(self.item.clone(), OffsetBuffer::new(ends.into()), items, nulls)),
        }
    }
}

struct Booleans(BooleanBuilder);

impl CellBuilder for Booleans {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let cell = cell.trim_ascii();
        let is = |words: &[&str]| words.iter().any(|w| cell.eq_ignore_ascii_case(w.as_bytes()));
        match cell {
            c if c.is_empty() || null_word(c) == Some(c.len()) || c == b"?" => self.0.append_null(),
            _ if is(&["true", "t", "1"]) => self.0.append_value(true),
            _ if is(&["false", "f", "0"]) => self.0.append_value(false),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
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
    fn integers_keep_all_their_digits() {
        let mut builder = cell_builder(&DataType::Int64).unwrap();
        builder.append(b"5853498713190525696").unwrap();
        assert_eq!(builder.finish().as_primitive::<Int64Type>().value(0), 5_853_498_713_190_525_696);
    }
}
