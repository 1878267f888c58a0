//! The BINARY and BINARY2 serialisations (VOTable 1.4, sections 5.2 and 5.3): rows of cells that consist of their
//! elements' bytes. A cell of variable length is preceded by its length; in BINARY2 each row is preceded by one bit per
//! column for NULL.

use std::{
    io::{BufRead, Read},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, BooleanBuilder, FixedSizeListArray, ListArray, StringArray},
    buffer::{NullBuffer, OffsetBuffer},
    compute::nullif,
    datatypes::{DataType, Field},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::field::{Kind, Shape, VoField};

/// Maximum length of a cell.
const CELL_BYTES: usize = 64 << 20;
/// Maximum length of a tag that may end a STREAM.
const TAG_BYTES: u64 = 64;

/// The characters of a STREAM's base64 text, without white space. A text that ends without the element's end tag is an
/// error.
pub(super) struct Base64Text<R> {
    text: R,
    ended: bool,
}

impl<R: BufRead> Base64Text<R> {
    /// Creates it from the text after a STREAM's begin tag.
    pub(super) fn new(text: R) -> Self {
        Self { text, ended: false }
    }

    /// Returns the text after the STREAM's end tag.
    pub(super) fn behind(mut self) -> Result<R> {
        let skipped = std::io::copy(&mut self, &mut std::io::sink());
        skipped.map_err(|e| short(&e)).map(|_| self.text)
    }

    fn end_tag(&mut self) -> std::io::Result<()> {
        let mut tag = Vec::new();
        self.text.by_ref().take(TAG_BYTES).read_until(b'>', &mut tag)?;
        let tag = String::from_utf8_lossy(&tag).into_owned();
        let name = tag.strip_prefix("</").and_then(|t| t.strip_suffix('>')).map(str::trim);
        if name.is_some_and(|name| name.rsplit(':').next() == Some("STREAM")) {
            self.ended = true;
            return Ok(());
        }
        let message = format!("'{}' where base64 or </STREAM> should be", tag.escape_debug());
        Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message))
    }
}

impl<R: BufRead> Read for Base64Text<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        loop {
            let text = self.text.fill_buf()?;
            if text.is_empty() {
                return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file ends within it"));
            }
            if text[0] == b'<' {
                self.end_tag()?;
                return Ok(0);
            }
            let (mut used, mut given) = (0, 0);
            for b in text.iter().take_while(|b| **b != b'<') {
                if given == out.len() {
                    break;
                }
                if !b.is_ascii_whitespace() {
                    out[given] = *b;
                    given += 1;
                }
                used += 1;
            }
            self.text.consume(used);
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

/// The cells of a column, stored as bytes until they become an array.
#[derive(Debug, Default)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    nulls: Vec<bool>,
}

impl Cells {
    /// Reads a cell.
    pub(super) fn read(&mut self, field: &VoField, null: bool, stream: &mut impl Read) -> Result<()> {
        let elements = match field.shape {
            Shape::One => 1,
            Shape::Fixed(n) => n,
            Shape::Variable | Shape::Ragged => {
                let mut length = [0; 4];
                stream.read_exact(&mut length).map_err(|e| short(&e))?;
                u32::from_be_bytes(length) as usize
            }
        };
        let Some(bytes) = field.bytes(elements).filter(|n| *n <= CELL_BYTES) else {
            let message = format!("a cell claims to have {elements} elements");
            return Err(Error::new(ErrorKind::Input, message).hint("the file is damaged: fetch it again"));
        };
        let read = stream.take(bytes as u64).read_to_end(&mut self.bytes).map_err(|e| short(&e))?;
        if read < bytes {
            return Err(short(&std::io::ErrorKind::UnexpectedEof.into()));
        }
        self.lengths.push(elements);
        self.nulls.push(null);
        Ok(())
    }

    /// Removes all cells.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
        self.nulls.clear();
    }

    /// Size of the cells in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the column so far, and starts a new one.
    pub(super) fn finish(&mut self, field: &VoField) -> Result<ArrayRef> {
        let cells = std::mem::take(self);
        if field.is_text() {
            return Ok(Arc::new(cells.strings(field)));
        }
        let items = cells.items(field);
        let item = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        let nulls = || Some(NullBuffer::from(cells.nulls.iter().map(|n| !n).collect::<Vec<_>>()));
        let bad = |e| Error::new(ErrorKind::Input, "the column cannot be read").at("column", &field.name).source(e);
        match field.shape {
            Shape::One => nullif(&items, &BooleanArray::from(cells.nulls)).map_err(bad),
            Shape::Fixed(n) if matches!(field.field().data_type(), DataType::FixedSizeList(..)) => {
                Ok(Arc::new(FixedSizeListArray::try_new(item, n as i32, items, nulls()).map_err(bad)?))
            }
            _ => {
                let offsets = OffsetBuffer::from_lengths(cells.lengths.iter().copied());
                Ok(Arc::new(ListArray::try_new(item, offsets, items, nulls()).map_err(bad)?))
            }
        }
    }

    fn items(&self, field: &VoField) -> ArrayRef {
        if field.kind != Kind::Bit {
            return field.elements.items(self.bytes.chunks_exact(field.elements.element.bytes()));
        }
        let mut at = 0;
        let mut bits = BooleanBuilder::new();
        for elements in &self.lengths {
            let cell = &self.bytes[at..at + elements.div_ceil(8)];
            at += cell.len();
            bits.extend((0..*elements).map(|i| Some(cell[i / 8] & (0x80 >> (i % 8)) != 0)));
        }
        Arc::new(bits.finish())
    }

    fn strings(&self, field: &VoField) -> StringArray {
        let mut at = 0;
        let wide = field.kind == Kind::Text { wide: true };
        let texts = self.lengths.iter().zip(&self.nulls).map(|(elements, null)| {
            let cell = &self.bytes[at..at + elements * if wide { 2 } else { 1 }];
            at += cell.len();
            let text = (!null).then(|| text(cell, wide));
            text.filter(|s| !s.is_empty() && Some(s) != field.null_text.as_ref())
        });
        texts.collect()
    }
}

/// Returns the string in a cell's bytes, up to the first NUL.
fn text(cell: &[u8], wide: bool) -> String {
    let text = if wide {
        let units: Vec<u16> = cell.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
        String::from_utf16_lossy(&units)
    } else {
        String::from_utf8_lossy(cell).into_owned()
    };
    text.split('\0').next().unwrap_or_default().trim_end().to_owned()
}

pub(super) fn short(e: &std::io::Error) -> Error {
    let message = "the VOTable's binary stream ends within a row, or is not base64";
    Error::new(ErrorKind::Input, message).source_of(e).hint("the file is truncated or damaged: fetch it again")
}
