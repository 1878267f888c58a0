//! The TABLEDATA serialisation (VOTable 1.4, section 5.1): rows and cells as elements with text.

use std::borrow::Cow;

use arrow::{array::ArrayRef, datatypes::Schema};
use lamcat_core::error::{Error, ErrorKind, Result};
use quick_xml::{Reader, events::Event};

use super::{
    BATCH_BYTES, BATCH_ROWS, Text, bad,
    field::{Kind, Shape, VoField, integer},
    header::malformed,
    text::append_text,
};
use crate::{
    big_endian::Element,
    cells::{CellBuilder, cell_builder, null_word, rows_within},
    on_error::OnError,
};

const DAMAGED: &str = "the file is damaged: fetch it again";

/// The rows of a TABLEDATA element.
pub(super) struct TableData {
    xml: Reader<Text>,
    buffer: Vec<u8>,
    cell: String,
    done: bool,
}

impl TableData {
    /// Creates the rows from a reader that has just read the TABLEDATA tag.
    pub(super) fn new(xml: Reader<Text>) -> Self {
        Self { xml, buffer: Vec::new(), cell: String::new(), done: false }
    }

    /// Returns the reader after the rows; rows not yet read are skipped.
    pub(super) fn into_reader(mut self) -> Result<Reader<Text>> {
        while !self.done {
            self.read_row(&[], &mut [], OnError::Null, &mut 0)?;
        }
        Ok(self.xml)
    }

    /// Reads the next rows; returns their number and the requested columns.
    pub(super) fn read_rows(
        &mut self,
        fields: &[VoField],
        wanted: &[bool],
        on_error: OnError,
        malformed: &mut usize,
        rows_before: usize,
    ) -> Result<(usize, Vec<ArrayRef>)> {
        let builder = |(field, wanted): (&VoField, &bool)| wanted.then(|| cell_builder(field.field().data_type()))?;
        let mut builders: Vec<_> = fields.iter().zip(wanted).map(builder).collect();
        let schema =
            Schema::new(fields.iter().zip(wanted).filter(|(_, w)| **w).map(|(f, _)| f.field()).collect::<Vec<_>>());
        let most = rows_within(&schema, 2 * BATCH_BYTES).min(BATCH_ROWS);
        let begin = self.xml.buffer_position();
        let mut rows = 0;
        while !self.done
            && rows < most
            && self.xml.buffer_position() - begin < BATCH_BYTES as u64
            && self.read_row(fields, &mut builders, on_error, malformed).map_err(|e| e.at("row", rows_before + rows))?
        {
            rows += 1;
        }
        Ok((rows, builders.iter_mut().flatten().map(|b| b.finish()).collect()))
    }

    /// Reads a row; returns false at the end of the table.
    fn read_row(
        &mut self,
        fields: &[VoField],
        builders: &mut [Option<Box<dyn CellBuilder>>],
        on_error: OnError,
        bad_cells: &mut usize,
    ) -> Result<bool> {
        let (mut column, mut in_cell) = (0, false);
        self.xml.get_mut().allow_row();
        loop {
            self.buffer.clear();
            let event = self.xml.read_event_into(&mut self.buffer).map_err(|e| malformed(&self.xml, &e))?;
            match &event {
                Event::Start(tag) if tag.local_name().as_ref() == b"TD" => {
                    in_cell = true;
                    self.cell.clear();
                }
                Event::Empty(tag) if tag.local_name().as_ref() == b"TD" => {
                    append(fields, builders, column, "", on_error, bad_cells)?;
                    column += 1;
                }
                Event::End(tag) if tag.local_name().as_ref() == b"TD" => {
                    in_cell = false;
                    append(fields, builders, column, &self.cell, on_error, bad_cells)?;
                    column += 1;
                }
                Event::Empty(tag) if tag.local_name().as_ref() == b"TR" && !fields.is_empty() => {
                    return Err(Error::new(ErrorKind::Input, "a row has no values").hint(DAMAGED));
                }
                Event::End(tag) if tag.local_name().as_ref() == b"TR" => {
                    if column == fields.len() || fields.is_empty() {
                        return Ok(true);
                    }
                    let message = format!("the row has {column} values, the table {} columns", fields.len());
                    return Err(Error::new(ErrorKind::Input, message).hint(DAMAGED));
                }
                Event::End(tag) if tag.local_name().as_ref() == b"TABLEDATA" => {
                    self.done = true;
                    return Ok(false);
                }
                Event::Eof => {
                    return Err(bad("the file ends within it").hint("it is truncated: fetch it again"));
                }
                other if in_cell => append_text(&mut self.cell, other)?,
                _ => {}
            }
        }
    }
}

/// Appends a cell's text to its column.
fn append(
    fields: &[VoField],
    builders: &mut [Option<Box<dyn CellBuilder>>],
    column: usize,
    cell: &str,
    on_error: OnError,
    bad_cells: &mut usize,
) -> Result<()> {
    let Some(Some(builder)) = builders.get_mut(column) else { return Ok(()) };
    let field = &fields[column];
    let value = value(field, cell);
    if value.is_none() {
        builder.append_null();
    } else if builder.append(value.unwrap_or_default().as_bytes()).is_err() {
        if on_error == OnError::Fail {
            let shown: String = cell.trim().chars().take(40).collect();
            let message = format!("'{shown}' is not a value of type {}", field.field().data_type());
            return Err(Error::new(ErrorKind::Input, message)
                .at("column", &field.name)
                .hint("the file is damaged: fetch it again; or make such values NULL with on_error = 'null'"));
        }
        builder.append_null();
        *bad_cells += 1;
    }
    Ok(())
}

/// Returns a cell in decimal numbers, with `null` for elements equal to the column's null value; `None` if the whole
/// cell is NULL.
fn value<'a>(field: &VoField, cell: &'a str) -> Option<Cow<'a, str>> {
    if field.kind != Kind::Value {
        // Padding on the right of a string is not part of it, as in binary rows.
        return (field.null_text.as_deref() != Some(cell)).then(|| Cow::Borrowed(cell.trim_end()));
    }
    let elements = &field.elements;
    // A list with a single null element; without a list the cell would be empty.
    let is_list = matches!(field.shape, Shape::Variable | Shape::Ragged) && elements.element != Element::Logical;
    let word = cell.trim().as_bytes();
    if is_list && !word.is_empty() && null_word(word) == Some(word.len()) {
        return Some(Cow::Borrowed("[null]"));
    }
    let declared = elements.null.is_some() || elements.null_float.is_some();
    if !declared && !cell.contains(['x', 'X']) {
        return Some(Cow::Borrowed(cell));
    }
    let word = |word: &'a str| -> Cow<'a, str> {
        let is_null = match elements.element {
            Element::Float => word.parse::<f32>().ok().map(f64::from) == elements.null_float,
            Element::Double => word.parse().ok() == elements.null_float,
            _ => integer(word) == elements.null,
        };
        match integer(word) {
            _ if declared && is_null => Cow::Borrowed("null"),
            Some(number) if word.contains(['x', 'X']) => Cow::Owned(number.to_string()),
            _ => Cow::Borrowed(word),
        }
    };
    let words = cell.split_whitespace().map(word).collect::<Vec<_>>();
    Some(if is_list && words == ["null"] { Cow::Borrowed("[null]") } else { Cow::Owned(words.join(" ")) })
}
