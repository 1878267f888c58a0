//! Columns of a FITS binary table: their cards, and their cells as Arrow arrays.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeListArray, ListArray, StringArray},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field},
};
use fitsrs::{
    card::Value,
    hdu::header::{Header, extension::bintable::BinTable},
};

use crate::{
    error::{Error, ErrorKind, Result},
    sources::big_endian::{Element, Elements, Scaling},
};

/// A column of the table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) field: Field,
    elements: Elements,
    repeat: usize,
    /// Where its cell begins in a row.
    pub(super) offset: usize,
    /// Its cells say where in the heap a list of values is.
    pub(super) heap: Option<Descriptor>,
}

/// How a variable-length array's place in the heap is stored: count and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Descriptor {
    /// Two 32-bit integers.
    P,
    /// Two 64-bit integers.
    Q,
}

impl Descriptor {
    fn bytes(self) -> usize {
        match self {
            Self::P => 8,
            Self::Q => 16,
        }
    }

    /// Elements and byte offset in the heap that a cell describes; `None` if negative.
    pub(super) fn read(self, cell: &[u8]) -> Option<(usize, u64)> {
        let word = |bytes: &[u8]| match self {
            Self::P => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
            Self::Q => bytes.try_into().ok().map(i64::from_be_bytes),
        };
        let (count, offset) = cell.split_at_checked(self.bytes() / 2)?;
        Some((usize::try_from(word(count)?).ok()?, u64::try_from(word(offset)?).ok()?))
    }
}

/// The columns of a table and the bytes of a row.
pub(super) fn columns(header: &Header<BinTable>) -> Result<(Vec<Column>, usize)> {
    let mut columns = Vec::new();
    let mut offset = 0;
    for i in 1..=header.get_xtension().get_num_cols() {
        let name = text(header, &format!("TTYPE{i}")).unwrap_or_else(|| format!("col{i}"));
        let column = column(header, i, name, offset)?;
        let bytes: usize = column.bytes();
        let taken = columns.iter().any(|c: &Column| c.field.name() == column.field.name());
        let end = offset.checked_add(bytes).filter(|_| !taken).ok_or_else(|| {
            let message = if taken { "two columns have this name" } else { "the rows are too long" };
            Error::new(ErrorKind::Input, message).at("column", column.field.name()).hint("rename one, e.g. with TOPCAT")
        })?;
        offset = end;
        columns.push(column);
    }
    Ok((columns, offset))
}

fn column(header: &Header<BinTable>, i: usize, name: String, offset: usize) -> Result<Column> {
    let whole_form = text(header, &format!("TFORM{i}")).unwrap_or_default();
    let unsupported = || {
        Error::new(ErrorKind::Input, format!("the column has a type lamcat does not read: TFORM '{whole_form}'"))
            .at("column", &name)
            .hint("remove the column first, e.g. with astropy or TOPCAT")
    };
    let (form, heap) = heap_form(&whole_form);
    let digits = form.bytes().take_while(u8::is_ascii_digit).count();
    let repeat: usize = if digits == 0 { 1 } else { form[..digits].parse().map_err(|_| unsupported())? };
    let element = form.as_bytes().get(digits).and_then(|c| element(*c)).ok_or_else(unsupported)?;
    let scaling = Scaling {
        scale: number(header, &format!("TSCAL{i}")).unwrap_or(Scaling::NONE.scale),
        zero: number(header, &format!("TZERO{i}")).unwrap_or(Scaling::NONE.zero),
    };
    let unsigned = element.unsigned_offset().is_some_and(|zero| scaling == Scaling { scale: 1.0, zero });
    let numeric = !matches!(element, Element::Logical | Element::Char);
    let is_text = element == Element::Char;
    // Several strings in one cell: by TDIM of two dimensions, or 'rAw'.
    let strings =
        text(header, &format!("TDIM{i}")).is_some_and(|dim| dim.contains(',')) || !form[digits + 1..].is_empty();
    let bytes = i32::try_from(repeat).ok().and_then(|_| repeat.checked_mul(element.bytes()));
    if repeat == 0 || (is_text && (heap.is_some() || strings)) || bytes.is_none() {
        return Err(unsupported());
    }
    let mut column = Column {
        field: Field::new(&name, DataType::Null, true),
        elements: Elements {
            element,
            null: integer(header, &format!("TNULL{i}")),
            unsigned,
            scaling: (numeric && !unsigned && scaling != Scaling::NONE).then_some(scaling),
        },
        repeat,
        offset,
        heap,
    };
    let metadata = [("unit", "TUNIT"), ("ucd", "TUCD"), ("description", "TCOMM")]
        .into_iter()
        .filter_map(|(key, card)| Some((key.to_owned(), text(header, &format!("{card}{i}"))?)))
        .collect();
    column.field = Field::new(name, column.data_type(), true).with_metadata(metadata);
    Ok(column)
}

/// The element of a form's letter.
fn element(code: u8) -> Option<Element> {
    Some(match code {
        b'L' => Element::Logical,
        b'B' => Element::Byte,
        b'I' => Element::Short,
        b'J' => Element::Int,
        b'K' => Element::Long,
        b'A' => Element::Char,
        b'E' => Element::Float,
        b'D' => Element::Double,
        _ => return None,
    })
}

/// Splits `PE(55)` into the form of an element, `E`, and how its place is stored.
fn heap_form(form: &str) -> (&str, Option<Descriptor>) {
    let inner = form.strip_prefix('1').unwrap_or(form);
    let descriptor = match inner.as_bytes().first() {
        Some(b'P') => Descriptor::P,
        Some(b'Q') => Descriptor::Q,
        _ => return (form, None),
    };
    (inner[1..].split('(').next().unwrap_or_default(), Some(descriptor))
}

impl Column {
    /// Bytes of a cell in the row.
    pub(super) fn bytes(&self) -> usize {
        self.heap.map_or(self.repeat * self.elements.element.bytes(), Descriptor::bytes)
    }

    /// Bytes of an element.
    pub(super) fn element_bytes(&self) -> usize {
        self.elements.element.bytes()
    }

    fn data_type(&self) -> DataType {
        let item = self.elements.item_type();
        if self.heap.is_some() {
            return DataType::new_list(item, true);
        }
        if self.repeat == 1 || self.elements.element == Element::Char {
            return item;
        }
        DataType::new_fixed_size_list(item, self.repeat as i32, true)
    }

    /// The column of a batch from the values of each row's list in the heap.
    pub(super) fn decode_lists<'a>(&self, lists: impl Iterator<Item = &'a [u8]> + Clone) -> Result<ArrayRef> {
        let width = self.elements.element.bytes();
        let offsets = OffsetBuffer::from_lengths(lists.clone().map(|list| list.len() / width));
        let items = self.elements.items(lists.flat_map(|list| list.chunks_exact(width)));
        let list =
            ListArray::try_new(Arc::new(Field::new_list_field(self.elements.item_type(), true)), offsets, items, None);
        Ok(Arc::new(list.map_err(|e| Error::new(ErrorKind::Input, "an array column cannot be read").source(e))?))
    }

    /// The column of a batch from its cells.
    pub(super) fn decode<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        if self.elements.element == Element::Char {
            let strings = cells.map(|cell| {
                let end = cell.iter().position(|b| *b == 0).unwrap_or(cell.len());
                String::from_utf8_lossy(&cell[..end]).trim_end().to_owned()
            });
            return Ok(Arc::new(strings.map(|s| (!s.is_empty()).then_some(s)).collect::<StringArray>()));
        }
        let items = self.elements.items(cells.flat_map(|cell| cell.chunks_exact(self.elements.element.bytes())));
        if self.repeat == 1 {
            return Ok(items);
        }
        let item = Arc::new(Field::new_list_field(self.elements.item_type(), true));
        let list = FixedSizeListArray::try_new(item, self.repeat as i32, items, None);
        Ok(Arc::new(list.map_err(|e| Error::new(ErrorKind::Input, "an array column cannot be read").source(e))?))
    }
}

fn text(header: &Header<BinTable>, key: &str) -> Option<String> {
    match header.get(key)? {
        Value::String { value, .. } => Some(value.trim().to_owned()).filter(|s| !s.is_empty()),
        _ => None,
    }
}

pub(super) fn integer(header: &Header<BinTable>, key: &str) -> Option<i64> {
    match header.get(key)? {
        Value::Integer { value, .. } => Some(*value),
        _ => None,
    }
}

fn number(header: &Header<BinTable>, key: &str) -> Option<f64> {
    match header.get(key)? {
        Value::Integer { value, .. } => Some(*value as f64),
        Value::Float { value, .. } => Some(*value),
        _ => None,
    }
}
