//! Parses text cells as lists of numbers.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, FixedSizeListArray, ListArray, NullBufferBuilder},
    buffer::OffsetBuffer,
    datatypes::{DataType, FieldRef},
};

use super::{
    CellBuilder, Malformed, null_word,
    numbers::{Numbers, TextNumber},
};

/// A builder of lists, written `[1,2]`, `(1, 2)` or `1 2`. An empty cell is NULL, and so is `[]` if the length is
/// fixed.
pub(super) struct Lists<T: ArrowPrimitiveType> {
    items: Numbers<T>,
    item: FieldRef,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
    length: Option<i32>,
}

impl<T: ArrowPrimitiveType<Native: TextNumber>> Lists<T> {
    /// Creates a builder of lists of `item`s, with a fixed length or any length.
    pub(super) fn new(item: &FieldRef, length: Option<i32>) -> Self {
        let valid = NullBufferBuilder::new(0);
        Self { items: Numbers::default(), item: item.clone(), ends: vec![0], valid, length }
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

/// Returns the text after the separator that follows an element: a comma, white space in lists without brackets, or the
/// list's end.
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
            _ => {
                self.valid.append_non_null();
                self.ends.push(end);
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.valid.append_null();
        self.items.push_nulls(self.length.unwrap_or(0) as usize);
        self.ends.push(self.items.values.len() as i32);
    }

    fn finish(&mut self) -> ArrayRef {
        let valid = std::mem::replace(&mut self.valid, NullBufferBuilder::new(0)).finish();
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let rows = ends.len() - 1;
        let items: ArrayRef = Arc::new(self.items.take());
        match self.length {
            Some(n) if rows > 0 => Arc::new(FixedSizeListArray::new(self.item.clone(), n, items, valid)),
            Some(n) => arrow::array::new_empty_array(&DataType::FixedSizeList(self.item.clone(), n)),
            None => {
                debug_assert_eq!(ends.last().copied(), i32::try_from(items.len()).ok());
                Arc::new(ListArray::new(self.item.clone(), OffsetBuffer::new(ends.into()), items, valid))
            }
        }
    }
}
