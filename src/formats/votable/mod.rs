//! Reads VOTable (IVOA VOTable 1.4): TABLEDATA, BINARY and BINARY2, in the encoding that the XML declares. Several
//! tables of a file are read one after the other if their columns are alike; otherwise one must be chosen.
//!
//! Units, UCDs and descriptions become field metadata. Complex numbers and arrays of strings are left out.

mod binary;
mod field;
mod header;
mod table_data;
mod text;

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
use field::VoField;
use header::{Around, Header, read_header};
use lamcat_core::error::{Error, ErrorKind, Result};
use quick_xml::Reader;
use table_data::TableData;

use super::{
    choice::{TableChoice, alike, listed, several},
    encoding::decoded,
    inflate::inflated,
    markup::refuse_web_page,
    on_error::OnError,
};

/// Maximum number of rows of a batch, and maximum size of its cells in bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;

/// Maximum length of a row in XML, and of the text before the rows of a table: a short file may inflate to any length.
const ROW_BYTES: usize = 64 << 20;
/// Maximum number of columns of a table.
const MOST_COLUMNS: usize = 1 << 16;
/// Maximum number of tables of a file.
const MOST_TABLES: usize = 1 << 16;

/// Text that may have been inflated. No more of it is read than is currently allowed.
struct Text {
    text: Box<dyn BufRead + Send>,
    left: usize,
}

impl Text {
    /// Allows as much text as a row may have.
    fn allow_row(&mut self) {
        self.left = ROW_BYTES;
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let text = self.text.fill_buf()?;
        if self.left == 0 && !text.is_empty() {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(&text[..text.len().min(self.left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.left -= bytes;
        self.text.consume(bytes);
    }
}

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let text = self.fill_buf()?;
        let given = text.len().min(out.len());
        out[..given].copy_from_slice(&text[..given]);
        self.consume(given);
        Ok(given)
    }
}

type BinaryStream = BufReader<DecoderReader<'static, GeneralPurpose, Base64Text<Text>>>;

/// The rows of the current table, by serialisation.
enum Rows {
    TableData(Box<TableData>),
    /// A binary stream; the flag says whether each row is preceded by one bit per column for NULL.
    Binary(Box<BinaryStream>, bool),
    /// No rows, but there may be further tables.
    Empty(Box<Reader<Text>>),
    /// The end of the file.
    End,
}

impl Rows {
    fn new(xml: Reader<Text>, serialisation: Serialisation) -> Self {
        match serialisation {
            Serialisation::TableData => Self::TableData(Box::new(TableData::new(xml))),
            Serialisation::Binary | Serialisation::Binary2 => {
                let text = Text { left: usize::MAX, ..xml.into_inner() };
                let stream = BufReader::new(DecoderReader::new(Base64Text::new(text), &STANDARD));
                Self::Binary(Box::new(stream), serialisation == Serialisation::Binary2)
            }
            Serialisation::Empty => Self::Empty(Box::new(xml)),
        }
    }

    /// Returns the reader after the rows; `None` at the end of the file.
    fn behind(self) -> Result<Option<Reader<Text>>> {
        Ok(match self {
            Self::TableData(table) => Some(table.into_reader()?),
            Self::Binary(stream, _) => Some(reader(stream.into_inner().into_inner().behind()?)),
            Self::Empty(xml) => Some(*xml),
            Self::End => None,
        })
    }
}

/// Returns a reader that may begin within elements.
fn reader(text: Text) -> Reader<Text> {
    let mut xml = Reader::from_reader(text);
    xml.config_mut().check_end_names = false;
    xml.config_mut().allow_unmatched_ends = true;
    xml
}

/// The chosen tables of a VOTable, read batch by batch.
pub struct VoTable {
    choice: TableChoice,
    around: Around,
    /// The previous tables, which are needed to choose a table.
    tables: Vec<(usize, Option<String>, Schema)>,
    fields: Vec<VoField>,
    /// Whether each column was requested.
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
    /// If it is not a VOTable, contains a service's error, or has no table that matches the choice.
    pub fn read(bytes: impl Read + Send + 'static, choice: &TableChoice) -> Result<Self> {
        let unreadable = |e| bad("the file cannot be read").source(e);
        let mut text = inflated(bytes).and_then(decoded).map_err(unreadable)?;
        refuse_web_page(text.fill_buf().map_err(unreadable)?)?;
        let mut table = Self {
            choice: choice.clone(),
            around: Around::default(),
            tables: Vec::new(),
            fields: Vec::new(),
            wanted: Vec::new(),
            schema: Arc::new(Schema::empty()),
            rows: Rows::Empty(Box::new(reader(Text { text, left: ROW_BYTES }))),
            rows_read: 0,
            malformed: 0,
            on_error: OnError::Fail,
        };
        // A table without rows is replaced by the first one with rows.
        let mut first: Option<Vec<VoField>> = None;
        while let Some(header) = table.next_table()? {
            let empty = matches!(table.rows, Rows::Empty(_));
            first = first.filter(|_| empty).or(Some(header.fields));
            if !empty {
                break;
            }
        }
        let Some(fields) = first else { return Err(table.none_found()) };
        table.set_fields(fields)?;
        Ok(table)
    }

    fn none_found(&self) -> Error {
        match self.choice.among(&self.tables) {
            Err(e) if !self.tables.is_empty() => e,
            _ => bad("it holds no table").hint("is this a VOTable?"),
        }
    }

    fn set_fields(&mut self, fields: Vec<VoField>) -> Result<()> {
        let mut seen = HashSet::new();
        if let Some(twice) = fields.iter().find(|f| !seen.insert(f.name.as_str())) {
            return Err(bad(&format!("two columns are named '{}'", twice.name)).hint("rename one, e.g. with TOPCAT"));
        }
        self.wanted = fields.iter().map(VoField::is_read).collect();
        self.schema = Arc::new(schema(&fields, &self.wanted));
        self.fields = fields;
        Ok(())
    }

    /// Moves to the rows of the next chosen table; `None` at the end of the file.
    fn next_table(&mut self) -> Result<Option<Header>> {
        loop {
            let Some(mut xml) = std::mem::replace(&mut self.rows, Rows::End).behind()? else { return Ok(None) };
            let header = read_header(&mut xml, &mut self.around)?;
            if let Some(status) = &self.around.status {
                status.check()?;
            }
            let Some(header) = header else { return Ok(None) };
            if matches!(header.serialisation, Serialisation::Binary | Serialisation::Binary2) {
                header.fields.iter().try_for_each(VoField::check_binary)?;
            }
            let number = self.tables.len() + 1;
            if number > MOST_TABLES {
                return Err(bad(&format!("it has more than {MOST_TABLES} tables")));
            }
            let read: Vec<bool> = header.fields.iter().map(VoField::is_read).collect();
            self.tables.push((number, header.name.clone(), schema(&header.fields, &read)));
            self.rows = Rows::new(xml, header.serialisation);
            let is_first = number == 1 || self.choice != TableChoice::First;
            if is_first && self.choice.is(number, header.name.as_deref()) {
                if header.fields.is_empty() && header.serialisation != Serialisation::Empty {
                    return Err(bad("its table has rows but no FIELD").hint("the file is damaged: fetch it again"));
                }
                return Ok(Some(header));
            }
        }
    }

    /// Continues with the rows of the next table, which must have the same columns; returns false at the end of the
    /// file.
    fn go_on(&mut self) -> Result<bool> {
        let own: Vec<bool> = self.fields.iter().map(VoField::is_read).collect();
        let own = schema(&self.fields, &own);
        while let Some(header) = self.next_table()? {
            if header.serialisation == Serialisation::Empty {
                continue;
            }
            let read: Vec<bool> = header.fields.iter().map(VoField::is_read).collect();
            if !alike(&own, &schema(&header.fields, &read)) {
                while self.next_table()?.is_some() {}
                return Err(several(&listed(&self.tables)));
            }
            let asked: HashSet<&str> =
                self.fields.iter().zip(&self.wanted).filter(|(_, w)| **w).map(|(f, _)| f.name.as_str()).collect();
            self.wanted = header.fields.iter().map(|f| asked.contains(f.name.as_str())).collect();
            self.fields = header.fields;
            return Ok(true);
        }
        Ok(false)
    }

    /// Restricts the table to the columns that are `wanted`.
    #[must_use]
    pub fn select(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.wanted = self.fields.iter().map(|f| f.is_read() && wanted(&f.name)).collect();
        self.schema = Arc::new(schema(&self.fields, &self.wanted));
        self
    }

    /// The columns that are left out, with their types.
    #[must_use]
    pub fn left_out(&self) -> Vec<(String, String)> {
        let left_out = self.fields.iter().filter(|f| !f.is_read());
        left_out.map(|f| (f.name.clone(), f.type_name.clone())).collect()
    }

    /// Returns a warning about rows that a service left out; it is known once all rows have been read.
    #[must_use]
    pub fn overflow(&self) -> Option<String> {
        self.around.status.as_ref().and_then(header::Status::overflow)
    }

    /// Sets the treatment of malformed cells.
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

    /// Number of malformed cells that became NULL so far.
    #[must_use]
    pub fn malformed(&self) -> usize {
        self.malformed
    }

    fn read_batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            let (rows, columns) = match &mut self.rows {
                Rows::End => return Ok(None),
                Rows::Empty(_) => (0, Vec::new()),
                Rows::Binary(stream, flags) => binary_rows(stream, *flags, &self.fields, &self.wanted, self.rows_read)?,
                Rows::TableData(table) => {
                    let malformed = &mut self.malformed;
                    table.read_rows(&self.fields, &self.wanted, self.on_error, malformed, self.rows_read)?
                }
            };
            self.rows_read += rows;
            if rows > 0 {
                let options = RecordBatchOptions::new().with_row_count(Some(rows));
                let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options);
                return batch.map(Some).map_err(|e| bad("its columns are inconsistent").source(e));
            }
            if !self.go_on()? {
                return Ok(None);
            }
        }
    }
}

/// Returns the columns of the fields that are wanted.
fn schema(fields: &[VoField], wanted: &[bool]) -> Schema {
    let wanted = fields.iter().zip(wanted).filter(|(_, wanted)| **wanted);
    Schema::new(wanted.map(|(field, _)| field.field()).collect::<Vec<_>>())
}

/// Reads the next rows; returns their number and their columns.
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
            self.rows = Rows::End;
        }
        batch
    }
}

/// The serialisation of a table's rows.
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
