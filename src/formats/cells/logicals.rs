//! Parses text cells as logicals and lists of logicals.

use std::sync::Arc;

use arrow::{
    array::{ArrayBuilder, ArrayRef, BooleanBuilder, FixedSizeListArray, ListArray, NullBufferBuilder},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field},
};

use super::{CellBuilder, Malformed, null_word};

/// A builder of logicals: `true`, `t` and `1`, or `false`, `f` and `0`, in upper or lower case; a question mark is
/// NULL.
#[derive(Default)]
pub(super) struct Logicals(BooleanBuilder);

fn logical(cell: &[u8]) -> Result<Option<bool>, Malformed> {
    let is = |words: &[&str]| words.iter().any(|w| cell.eq_ignore_ascii_case(w.as_bytes()));
    match cell {
        c if c.is_empty() || null_word(c) == Some(c.len()) || c == b"?" => Ok(None),
        _ if is(&["true", "t", "1"]) => Ok(Some(true)),
        _ if is(&["false", "f", "0"]) => Ok(Some(false)),
        _ => Err(Malformed),
    }
}

impl CellBuilder for Logicals {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        self.0.append_option(logical(cell.trim_ascii())?);
        Ok(())
    }

    fn append_null(&mut self) {
        self.0.append_null();
    }

    fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// A builder of lists of logicals: words separated by white space, or bits one after the other, `101`.
pub(super) struct LogicalLists {
    items: BooleanBuilder,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
    /// The number of elements, if all lists have the same.
    length: Option<i32>,
}

impl LogicalLists {
    pub(super) fn new(data_type: &DataType) -> Self {
        let length = if let DataType::FixedSizeList(_, n) = data_type { Some(*n) } else { None };
        Self { items: BooleanBuilder::new(), ends: vec![0], valid: NullBufferBuilder::new(0), length }
    }

    fn end(&mut self, valid: bool) {
        self.valid.append(valid);
        self.ends.push(self.items.len() as i32);
    }
}

fn elements(cell: &[u8]) -> Result<Vec<Option<bool>>, Malformed> {
    let mut elements = Vec::new();
    for word in cell.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|word| !word.is_empty()) {
        if word.iter().all(|b| matches!(b, b'0' | b'1')) {
            elements.extend(word.iter().map(|b| Some(*b == b'1')));
        } else {
            elements.push(logical(word)?);
        }
    }
    Ok(elements)
}

impl CellBuilder for LogicalLists {
    fn append(&mut self, cell: &[u8]) -> Result<(), Malformed> {
        let elements = elements(cell)?;
        match self.length {
            _ if elements.is_empty() => self.append_null(),
            Some(n) if elements.len() != n as usize => return Err(Malformed),
            _ if i32::try_from(self.items.len() + elements.len()).is_err() => return Err(Malformed),
            _ => {
                for element in elements {
                    self.items.append_option(element);
                }
                self.end(true);
            }
        }
        Ok(())
    }

    fn append_null(&mut self) {
        self.items.append_nulls(self.length.unwrap_or(0) as usize);
        self.end(false);
    }

    fn finish(&mut self) -> ArrayRef {
        let valid = std::mem::replace(&mut self.valid, NullBufferBuilder::new(0)).finish();
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let rows = ends.len() - 1;
        let items: ArrayRef = Arc::new(self.items.finish());
        let item = Arc::new(Field::new_list_field(DataType::Boolean, true));
        match self.length {
            Some(n) if rows > 0 => Arc::new(FixedSizeListArray::new(item, n, items, valid)),
            Some(n) => arrow::array::new_empty_array(&DataType::FixedSizeList(item, n)),
            None => Arc::new(ListArray::new(item, OffsetBuffer::new(ends.into()), items, valid)),
        }
    }
}
