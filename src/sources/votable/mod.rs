//! VOTable (IVOA VOTable 1.4), the first table of a file: TABLEDATA, BINARY and BINARY2, plain or gzip.
//!
//! Units, UCDs and descriptions become field metadata. Bits, complex numbers and arrays of strings are refused by name.

mod binary;
mod header;
mod table_data;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use base64::{
    engine::general_purpose::{GeneralPurpose, STANDARD},
    read::DecoderReader,
};
use binary::{Base64Text, Cells, short};
use header::{VoField, read_header};
use quick_xml::Reader;
use table_data::TableData;

use super::{inflate::inflated, markup::refuse_web_page, on_error::OnError};
use crate::error::{Error, ErrorKind, Result};

/// Most rows of a batch, and most bytes of its cells.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;

/// Text that may have been inflated.
type Text = Box<dyn BufRead + Send>;
type BinaryStream = BufReader<DecoderReader<'static, GeneralPurpose, Base64Text<Text>>>;

/// How the rows are written, and where they come from.
enum Rows {
    TableData(Box<TableData>),
    /// With a bit per column for NULL before each row, or without.
    Binary(Box<BinaryStream>, bool),
    None,
}

/// The first table of a VOTable, read batch by batch.
pub struct VoTable {
    fields: Vec<VoField>,
    /// Whether a column was asked for.
    wanted: Vec<bool>,
    schema: SchemaRef,
    rows: Rows,
    rows_read: usize,
    malformed: usize,
    on_error: OnError,
}

impl std::fmt::Debug for VoTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl VoTable {
    /// Reads up to the first row.
    ///
    /// # Errors
    /// If it is not a VOTable, has no table, or a column has a type that is not supported.
    pub fn read(bytes: impl Read + Send + 'static) -> Result<Self> {
        let unreadable = |e| bad("the file cannot be read").source(e);
        let mut text = inflated(bytes).map_err(unreadable)?;
        refuse_web_page(text.fill_buf().map_err(unreadable)?)?;
        let mut xml = Reader::from_reader(text);
        let (fields, serialisation) = read_header(&mut xml)?;
        if fields.is_empty() && serialisation != Serialisation::Empty {
            return Err(bad("its table has rows but no FIELD").hint("the file is damaged: fetch it again"));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|f| !seen.insert(f.name.as_str())) {
            return Err(bad(&format!("two columns are named '{}'", twice.name)).hint("rename one, e.g. with TOPCAT"));
        }
        let rows = match serialisation {
            Serialisation::TableData => Rows::TableData(Box::new(TableData::new(xml))),
            Serialisation::Binary | Serialisation::Binary2 => {
                let stream = BufReader::new(DecoderReader::new(Base64Text::new(xml.into_inner()), &STANDARD));
                Rows::Binary(Box::new(stream), serialisation == Serialisation::Binary2)
            }
            Serialisation::Empty => Rows::None,
        };
        let wanted = vec![true; fields.len()];
        let schema = Arc::new(Schema::new(fields.iter().map(VoField::field).collect::<Vec<_>>()));
        Ok(Self { fields, wanted, schema, rows, rows_read: 0, malformed: 0, on_error: OnError::Fail })
    }

    /// The same table with the columns that `wanted` names alone.
    #[must_use]
    pub fn select(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.wanted = self.fields.iter().map(|f| wanted(&f.name)).collect();
        let fields: Vec<_> =
            self.fields.iter().zip(&self.wanted).filter(|(_, w)| **w).map(|(f, _)| f.field()).collect();
        self.schema = Arc::new(Schema::new(fields));
        self
    }

    /// The same table, with another fate of malformed cells.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Malformed cells so far that became NULL.
    #[must_use]
    pub fn malformed(&self) -> usize {
        self.malformed
    }

    fn read_batch(&mut self) -> Result<Option<RecordBatch>> {
        let (rows, columns) = match &mut self.rows {
            Rows::None => return Ok(None),
            Rows::Binary(stream, flags) => binary_rows(stream, *flags, &self.fields, &self.wanted, self.rows_read)?,
            Rows::TableData(table) => {
                let malformed = &mut self.malformed;
                table.read_rows(&self.fields, &self.wanted, self.on_error, malformed, self.rows_read)?
            }
        };
        self.rows_read += rows;
        if rows == 0 {
            return Ok(None);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
        batch.map(Some).map_err(|e| bad("its columns are inconsistent").source(e))
    }
}

/// Reads the next rows: how many, and their columns.
fn binary_rows(
    stream: &mut BinaryStream,
    with_flags: bool,
    fields: &[VoField],
    wanted: &[bool],
    rows_before: usize,
) -> Result<(usize, Vec<ArrayRef>)> {
    let mut columns: Vec<Cells> = fields.iter().map(|_| Cells::default()).collect();
    let mut flags = vec![0; if with_flags { fields.len().div_ceil(8) } else { 0 }];
    let (mut rows, mut bytes) = (0, 0);
    while rows < BATCH_ROWS && bytes < BATCH_BYTES && !stream.fill_buf().map_err(|e| short(&e))?.is_empty() {
        stream.read_exact(&mut flags).map_err(|e| short(&e))?;
        for (i, (field, column)) in fields.iter().zip(&mut columns).enumerate() {
            let null = flags.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0);
            let place = |e: Error| e.at("row", rows_before + rows).at("column", &field.name);
            column.read(field, null, stream).map_err(place)?;
            if !wanted[i] {
                column.clear();
            }
        }
        rows += 1;
        bytes = columns.iter().map(Cells::len).sum();
    }
    let asked = fields.iter().zip(&mut columns).zip(wanted).filter(|(_, wanted)| **wanted);
    let arrays = asked.map(|((field, column), _)| column.finish(field)).collect::<Result<_>>()?;
    Ok((rows, arrays))
}

impl Iterator for VoTable {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.read_batch().transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.rows = Rows::None;
        }
        batch
    }
}

/// How the rows of a table are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serialisation {
    TableData,
    Binary,
    Binary2,
    /// No rows.
    Empty,
}

fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("cannot read the VOTable: {why}"))
}
