//! Columns of a FITS binary table: their header cards, and the conversion of their cells to Arrow arrays.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, FixedSizeListArray, ListArray, StringArray, new_null_array},
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::header::Header;
use crate::{
    big_endian::{Element, Elements, Scaling},
    cells::list_of,
};

/// A column of the table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) field: Field,
    kind: Kind,
    /// Byte offset of its cell in a row.
    pub(super) offset: usize,
    /// Size of a cell in bytes.
    pub(super) bytes: usize,
    /// The form of the descriptor, if the values are in the heap.
    pub(super) heap: Option<Descriptor>,
}

/// The content of a column's cells.
#[derive(Debug, Clone)]
enum Kind {
    /// Numbers or logicals, this many per cell; in the heap the cell gives their number.
    Items(Elements, usize),
    /// A string.
    Text,
    /// Strings of this many bytes each.
    Texts(usize),
    /// This many bits.
    Bits(usize),
    /// Nothing: every value is NULL.
    Nothing,
    /// A content without a type in Arrow, with its form.
    Unread(String),
}

/// How the location of a variable-length array in the heap is stored, as a count and an offset.
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

    /// Returns the number of elements and the byte offset in the heap given by a cell; `None` if negative.
    pub(super) fn read(self, cell: &[u8]) -> Option<(usize, u64)> {
        let word = |bytes: &[u8]| match self {
            Self::P => bytes.try_into().ok().map(|b| i64::from(i32::from_be_bytes(b))),
            Self::Q => bytes.try_into().ok().map(i64::from_be_bytes),
        };
        let (count, offset) = cell.split_at_checked(self.bytes() / 2)?;
        Some((usize::try_from(word(count)?).ok()?, u64::try_from(word(offset)?).ok()?))
    }
}

/// Returns the columns of a table and the size of a row in bytes.
pub(super) fn columns(header: &Header) -> Result<(Vec<Column>, usize)> {
    let mut columns = Vec::new();
    let mut offset = 0usize;
    for i in 1..=header.count("TFIELDS").unwrap_or(0).min(999) {
        let name = header.text(&format!("TTYPE{i}")).unwrap_or_else(|| format!("col{i}"));
        let column = column(header, i, &name, offset)?;
        let taken = columns.iter().any(|c: &Column| c.field.name() == column.field.name());
        let end = offset.checked_add(column.bytes).filter(|_| !taken).ok_or_else(|| {
            let message = if taken { "two columns have this name" } else { "the rows are too long" };
            Error::new(ErrorKind::Input, message).at("column", column.field.name()).hint("rename one, e.g. with TOPCAT")
        })?;
        offset = end;
        columns.push(column);
    }
    Ok((columns, offset))
}

fn column(header: &Header, i: u64, name: &str, offset: usize) -> Result<Column> {
    let whole_form = header.text(&format!("TFORM{i}")).unwrap_or_default();
    let damaged = || {
        Error::new(ErrorKind::Input, format!("the column has a type that FITS does not know: TFORM '{whole_form}'"))
            .at("column", name)
            .hint("the header is damaged: fetch the file again; or remove the column, e.g. with astropy or TOPCAT")
    };
    let (repeat, form) = count(&whole_form).ok_or_else(damaged)?;
    let (heap, form) = match form.as_bytes().first() {
        Some(b'P') => (Some(Descriptor::P), form[1..].split('(').next().unwrap_or_default()),
        Some(b'Q') => (Some(Descriptor::Q), form[1..].split('(').next().unwrap_or_default()),
        _ => (None, form),
    };
    let (_, letter) = if heap.is_some() { count(form).ok_or_else(damaged)? } else { (1, form) };
    let (letter, width) = letter.split_at_checked(1).ok_or_else(damaged)?;
    let bytes = match heap {
        Some(descriptor) => repeat.checked_mul(descriptor.bytes()),
        None => cell_bytes(letter.as_bytes()[0], repeat),
    };
    let bytes = bytes.filter(|_| i32::try_from(repeat).is_ok()).ok_or_else(damaged)?;
    let elements = element(letter.as_bytes()[0]).map(|element| elements(header, i, element));
    let kind = match (letter, elements) {
        _ if repeat == 0 => Kind::Nothing,
        _ if heap.is_some() && repeat > 1 => Kind::Unread(whole_form.clone()),
        ("A", _) if heap.is_some() => Kind::Text,
        ("A", _) => strings(repeat, width, header.text(&format!("TDIM{i}")).as_deref()),
        ("X", _) if heap.is_none() => Kind::Bits(repeat),
        (_, Some(elements)) => Kind::Items(elements, repeat),
        _ => Kind::Unread(whole_form.clone()),
    };
    let metadata = [("unit", "TUNIT"), ("ucd", "TUCD"), ("description", "TCOMM")]
        .into_iter()
        .filter_map(|(key, card)| Some((key.to_owned(), header.text(&format!("{card}{i}"))?)))
        .collect();
    let heap = heap.filter(|_| repeat > 0);
    let field = Field::new(name, data_type(&kind, bytes, heap.is_some()), true).with_metadata(metadata);
    Ok(Column { field, kind, offset, bytes, heap })
}

/// Returns the count at the beginning of a form, 1 if there is none, and the rest.
fn count(form: &str) -> Option<(usize, &str)> {
    let digits = form.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = form.split_at(digits);
    Some((if digits.is_empty() { 1 } else { digits.parse().ok()? }, rest))
}

/// Returns the size in bytes of a cell with `repeat` elements; `None` if it is too large or the letter has no meaning.
fn cell_bytes(letter: u8, repeat: usize) -> Option<usize> {
    match letter {
        b'X' => Some(repeat.div_ceil(8)),
        b'C' => repeat.checked_mul(8),
        b'M' => repeat.checked_mul(16),
        _ => repeat.checked_mul(element(letter)?.bytes()),
    }
}

fn elements(header: &Header, i: u64, element: Element) -> Elements {
    let scaling = Scaling {
        scale: header.number(&format!("TSCAL{i}")).unwrap_or(Scaling::NONE.scale),
        zero: header.number(&format!("TZERO{i}")).unwrap_or(Scaling::NONE.zero),
    };
    let unsigned = element.unsigned_offset().is_some_and(|zero| scaling == Scaling { scale: 1.0, zero });
    let numeric = !matches!(element, Element::Logical | Element::Char);
    let scaling = (numeric && !unsigned && scaling != Scaling::NONE).then_some(scaling);
    Elements { element, null: header.integer(&format!("TNULL{i}")), null_float: None, unsigned, scaling }
}

/// Recognises several strings in one cell, by the form `rAw` or by a TDIM with two dimensions; otherwise it is one
/// string.
fn strings(repeat: usize, width: &str, dimensions: Option<&str>) -> Kind {
    let mut sizes = dimensions.unwrap_or_default().trim_matches(['(', ')']).split(',').map(|n| n.trim().parse().ok());
    let (first, others): (Option<usize>, Option<usize>) =
        (sizes.next().flatten(), sizes.try_fold(1usize, |n, m| n.checked_mul(m?)));
    let by_form = width.parse().ok().filter(|w| *w < repeat);
    let by_dimensions = first.zip(others).filter(|(w, n)| *n > 1 && w.checked_mul(*n) == Some(repeat)).map(|(w, _)| w);
    match by_form.or(by_dimensions) {
        Some(width) if width > 0 && repeat.is_multiple_of(width) => Kind::Texts(width),
        _ => Kind::Text,
    }
}

fn data_type(kind: &Kind, bytes: usize, in_heap: bool) -> DataType {
    match kind {
        Kind::Items(elements, _) if in_heap => DataType::new_list(elements.item_type(), true),
        Kind::Items(elements, 1) => elements.item_type(),
        Kind::Items(elements, repeat) => list_of(elements.item_type(), *repeat),
        Kind::Bits(1) => DataType::Boolean,
        Kind::Bits(count) => list_of(DataType::Boolean, *count),
        Kind::Texts(width) => list_of(DataType::Utf8, bytes / width),
        Kind::Text | Kind::Nothing | Kind::Unread(_) => DataType::Utf8,
    }
}

/// Returns the element type for a form's letter.
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

impl Column {
    /// Returns the form of a column whose values lamcat cannot read.
    pub(super) fn unread(&self) -> Option<&str> {
        match &self.kind {
            Kind::Unread(form) => Some(form),
            _ => None,
        }
    }

    /// Size of an element in bytes.
    pub(super) fn element_bytes(&self) -> usize {
        match &self.kind {
            Kind::Items(elements, _) => elements.element.bytes(),
            _ => 1,
        }
    }

    /// Converts the heap data of each row to the column of a batch.
    pub(super) fn decode_lists<'a>(&self, lists: impl Iterator<Item = &'a [u8]> + Clone) -> Result<ArrayRef> {
        let Kind::Items(elements, _) = &self.kind else {
            return Ok(Arc::new(lists.map(text).collect::<StringArray>()));
        };
        let width = elements.element.bytes();
        let lengths = lists.clone().map(|list| list.len() / width).collect::<Vec<_>>();
        let items = elements.items(lists.flat_map(|list| list.chunks_exact(width)));
        lists_of(items, OffsetBuffer::from_lengths(lengths))
    }

    /// Converts `rows` cells to the column of a batch.
    pub(super) fn decode<'a>(&self, rows: usize, cells: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        let (items, count): (ArrayRef, usize) = match &self.kind {
            Kind::Text => return Ok(Arc::new(cells.map(text).collect::<StringArray>())),
            Kind::Nothing | Kind::Unread(_) => return Ok(new_null_array(self.field.data_type(), rows)),
            Kind::Texts(width) => {
                let texts = cells.flat_map(|cell| cell.chunks_exact(*width)).map(text);
                (Arc::new(texts.collect::<StringArray>()), self.bytes / width)
            }
            Kind::Bits(count) => {
                let bits = cells.flat_map(|cell| (0..*count).map(|i| Some(cell[i / 8] & (0x80 >> (i % 8)) != 0)));
                (Arc::new(bits.collect::<BooleanArray>()), *count)
            }
            Kind::Items(elements, repeat) => {
                let width = elements.element.bytes();
                (elements.items(cells.flat_map(|cell| cell.chunks_exact(width))), *repeat)
            }
        };
        match self.field.data_type() {
            DataType::FixedSizeList(item, n) => {
                let list = FixedSizeListArray::try_new(item.clone(), *n, items, None);
                Ok(Arc::new(list.map_err(unreadable)?))
            }
            DataType::List(_) => lists_of(items, OffsetBuffer::from_repeated_length(count, rows)),
            _ => Ok(items),
        }
    }
}

fn lists_of(items: ArrayRef, offsets: OffsetBuffer<i32>) -> Result<ArrayRef> {
    let item: FieldRef = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(item, offsets, items, None).map_err(unreadable)?))
}

fn unreadable(e: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Input, "an array column cannot be read").source(e)
}

/// Returns a string without its padding; `None` if it is empty.
fn text(cell: &[u8]) -> Option<String> {
    let end = cell.iter().position(|b| *b == 0).unwrap_or(cell.len());
    let text = String::from_utf8_lossy(&cell[..end]).trim_end().to_owned();
    Some(text).filter(|text| !text.is_empty())
}
