//! Reads FITS binary tables (FITS Standard 4.0, section 7.3) as Arrow batches.
//!
//! Supported are integers, floats, logicals, bits and strings, scalar or as arrays of fixed or variable length. TNULL
//! and NaN become NULL; TSCAL and TZERO are applied; TUNIT and TUCD become field metadata. Complex numbers are left
//! out. Several tables in a file are read one after the other if their columns are alike; otherwise one must be chosen.

mod column;
mod header;

use std::{
    fs::File,
    io::{Read, SeekFrom},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use column::{Column, Descriptor, columns};
use header::Header;
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    choice::TableChoice,
    inflate::{ReadSeek, beginning, inflated_file},
    markup::refuse_web_page,
};

/// Maximum number of rows of a batch, and maximum size of its rows in bytes.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;
/// A batch's lists are read in one piece if it is at most this many times as long as all lists together; otherwise they
/// are read one by one.
const SPREAD: u64 = 8;

/// Number of bytes that are examined to recognise a file that is not FITS.
const LOOKED_AT: u64 = 2048;

/// A binary table of the file.
#[derive(Debug)]
struct Table {
    /// Its number among the file's units, and its name.
    number: usize,
    name: Option<String>,
    columns: Vec<Column>,
    /// Positions in the file at which the rows and the heap begin.
    data_at: u64,
    heap_at: u64,
    row_bytes: usize,
    rows: usize,
}

/// The chosen binary tables of a FITS file, read batch by batch.
pub struct FitsTable {
    path: String,
    bytes: Box<dyn ReadSeek>,
    tables: Vec<Table>,
    /// The index of the table that is being read.
    at: usize,
    schema: SchemaRef,
    rows_read: usize,
}

impl std::fmt::Debug for FitsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitsTable").field("path", &self.path).field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl FitsTable {
    /// Opens a file and reads the header of its first table.
    ///
    /// # Errors
    /// If it is not a FITS file with a binary table.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| bad("the file cannot be opened").at("file", &name).source(e))?;
        Self::read(file, &name, &TableChoice::First)
    }

    /// Reads the headers of the file `path` from its bytes.
    ///
    /// # Errors
    /// If it is not a FITS file, has no table that matches the choice, or has several that differ.
    pub fn read(bytes: impl ReadSeek + 'static, path: &str, choice: &TableChoice) -> Result<Self> {
        Self::read_headers(Box::new(bytes), path, choice).map_err(|e| e.within("file", path))
    }

    fn read_headers(bytes: Box<dyn ReadSeek>, path: &str, choice: &TableChoice) -> Result<Self> {
        let mut bytes = inflated_file(bytes).map_err(|e| bad("the file cannot be inflated").source(e))?;
        let start = beginning(bytes.as_mut(), LOOKED_AT).map_err(|e| bad("the file cannot be read").source(e))?;
        refuse_web_page(&start)?;
        let tables = tables(bytes.as_mut(), choice == &TableChoice::First)?;
        let described: Vec<_> = tables.iter().map(|t| (t.number, t.name.clone(), t.schema())).collect();
        let chosen = choice.among(&described)?;
        let mut tables: Vec<Table> = tables.into_iter().filter(|t| chosen.contains(&t.number)).collect();
        let schema = tables.first().map_or_else(|| Arc::new(Schema::empty()), |t| Arc::new(t.schema()));
        tables.retain(|t| t.rows > 0);
        Ok(Self { path: path.to_owned(), bytes, tables, at: 0, schema, rows_read: 0 })
    }

    /// Restricts the tables to the columns that are `wanted`.
    #[must_use]
    pub fn select(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        for table in &mut self.tables {
            table.columns.retain(|c| wanted(c.field.name()));
        }
        let fields = self.schema.fields().iter().filter(|f| wanted(f.name())).cloned().collect::<Vec<_>>();
        self.schema = Arc::new(Schema::new(fields));
        self
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns that are left out, with their forms.
    #[must_use]
    pub fn left_out(&self) -> Vec<(String, String)> {
        let columns = self.tables.iter().flat_map(|t| &t.columns);
        columns.filter_map(|c| Some((c.field.name().clone(), c.unread()?.to_owned()))).collect()
    }

    /// Number of rows of the tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tables.iter().map(|t| t.rows).sum()
    }

    fn read_batch(&mut self) -> Result<RecordBatch> {
        let table = &self.tables[self.at];
        let row_bytes = table.row_bytes;
        let most = (BATCH_BYTES / row_bytes.max(1)).clamp(1, BATCH_ROWS);
        let rows = most.min(table.rows - self.rows_read);
        let at = table.data_at + (self.rows_read * row_bytes) as u64;
        let mut block = read_at(&mut self.bytes, at, rows * row_bytes).map_err(|e| self.short(e))?;
        let rows = self.rows_that_fit(&block);
        block.truncate(rows * row_bytes);
        let columns = std::mem::take(&mut self.tables[self.at].columns);
        let read = columns.iter().filter(|c| c.unread().is_none());
        let arrays = read.map(|c| self.array(c, &block).map_err(|e| e.at("column", c.field.name())));
        let arrays = arrays.collect::<Result<Vec<_>>>();
        self.tables[self.at].columns = columns;
        let arrays = arrays.map_err(|e| e.at("file", &self.path))?;
        self.rows_read += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::new(ErrorKind::Input, "inconsistent FITS columns").at("file", &self.path).source(e))
    }

    /// Returns how many of a block's rows have lists that fit into a batch's size in bytes; at least one.
    fn rows_that_fit(&self, block: &[u8]) -> usize {
        let mut bytes = 0usize;
        let table = &self.tables[self.at];
        let fits = block.chunks_exact(table.row_bytes.max(1)).take_while(|row| {
            let lists = table.columns.iter().filter(|c| c.unread().is_none()).filter_map(|c| {
                let (count, _) = c.heap?.read(&row[c.offset..c.offset + c.bytes])?;
                Some(count.saturating_mul(c.element_bytes()))
            });
            bytes = lists.fold(bytes, usize::saturating_add);
            bytes <= BATCH_BYTES
        });
        fits.count().max(1)
    }

    fn short(&self, e: std::io::Error) -> Error {
        let rows = self.tables.get(self.at).map_or(0, |t| t.rows);
        Error::new(ErrorKind::Input, format!("the FITS table ends before its {rows} rows"))
            .at("file", &self.path)
            .at("row", self.rows_read)
            .source(e)
            .hint("the file is truncated: fetch it again")
    }

    fn array(&mut self, column: &Column, block: &[u8]) -> Result<ArrayRef> {
        let row_bytes = self.tables[self.at].row_bytes;
        let cells = block.chunks_exact(row_bytes).map(|row| &row[column.offset..column.offset + column.bytes]);
        match column.heap {
            None => column.decode(block.len() / row_bytes, cells),
            Some(descriptor) => {
                let places = self.places(column, descriptor, cells)?;
                self.lists(column, &places)
            }
        }
    }

    /// Returns the byte ranges of a column's lists in the heap.
    fn places<'a>(
        &self,
        column: &Column,
        descriptor: Descriptor,
        cells: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Vec<(u64, usize)>> {
        let bad = |row: usize| {
            Error::new(ErrorKind::Input, "a list's place in the FITS heap makes no sense")
                .at("row", self.rows_read + row)
                .hint("the file is damaged: fetch it again")
        };
        let width = column.element_bytes();
        let place = |(row, cell)| {
            let (count, offset) = descriptor.read(cell).ok_or_else(|| bad(row))?;
            let bytes = count.checked_mul(width).filter(|n| i32::try_from(*n).is_ok()).ok_or_else(|| bad(row))?;
            let heap_at = self.tables[self.at].heap_at;
            let end = offset.checked_add(bytes as u64).and_then(|end| end.checked_add(heap_at));
            end.map(|_| (offset, bytes)).ok_or_else(|| bad(row))
        };
        cells.enumerate().map(place).collect()
    }

    fn lists(&mut self, column: &Column, places: &[(u64, usize)]) -> Result<ArrayRef> {
        let filled = || places.iter().filter(|(_, bytes)| *bytes > 0);
        let begin = filled().map(|(at, _)| *at).min().unwrap_or(0);
        let end = filled().map(|(at, bytes)| at + *bytes as u64).max().unwrap_or(0);
        let needed: u64 = filled().map(|(_, bytes)| *bytes as u64).sum();
        // Many rows that refer to one place could request more than exists, so the file's length limits what is read.
        let length = self.bytes.seek(SeekFrom::End(0)).map_err(|e| self.short(e))?;
        let heap_at = self.tables[self.at].heap_at;
        if heap_at.saturating_add(end) > length || needed > length {
            return Err(self.short(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if end - begin <= needed.saturating_mul(SPREAD) {
            let span = read_at(&mut self.bytes, heap_at + begin, (end - begin) as usize).map_err(|e| self.short(e))?;
            let list = |(at, bytes): &(u64, usize)| {
                let at = at.saturating_sub(begin) as usize;
                if *bytes == 0 { &[][..] } else { &span[at..at + bytes] }
            };
            return column.decode_lists(places.iter().map(list));
        }
        let mut lists = Vec::with_capacity(places.len());
        for (at, bytes) in places {
            lists.push(read_at(&mut self.bytes, heap_at + at, *bytes).map_err(|e| self.short(e))?);
        }
        column.decode_lists(lists.iter().map(Vec::as_slice))
    }
}

impl Iterator for FitsTable {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows_read == self.tables.get(self.at)?.rows {
            (self.at, self.rows_read) = (self.at + 1, 0);
            return self.next();
        }
        let batch = self.read_batch();
        if batch.is_err() {
            self.at = self.tables.len();
        }
        Some(batch)
    }
}

/// Returns the binary tables of a file, or only the first one.
fn tables(bytes: &mut dyn ReadSeek, first: bool) -> Result<Vec<Table>> {
    let (mut tables, mut at, mut number) = (Vec::new(), 0, 0);
    while let Some(header) = Header::read(bytes, at)? {
        // Images may be stored as tables of their tiles.
        let is_table = header.text("XTENSION").is_some_and(|kind| kind == "BINTABLE" || kind == "A3DTABLE");
        if is_table && !header.logical("ZIMAGE") {
            let name = header.text("EXTNAME");
            let table = table(&header, number, name.clone());
            tables.push(table.map_err(|e| e.at("table", name.unwrap_or_else(|| format!("#{number}"))))?);
            if first {
                break;
            }
        }
        (at, number) = (header.next_at, number + 1);
    }
    if tables.is_empty() {
        return Err(bad("it holds no binary table").hint("FITS images and ASCII tables are not read"));
    }
    Ok(tables)
}

fn table(header: &Header, number: usize, name: Option<String>) -> Result<Table> {
    if header.logical("ZTABLE") {
        return Err(bad("its table is compressed within").hint("unpack it with funpack or astropy"));
    }
    let (columns, row_bytes) = columns(header)?;
    let rows = header.count("NAXIS2").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let declared = header.count("NAXIS1").unwrap_or(0);
    if declared != row_bytes as u64 {
        let error = bad(&format!("its columns take {row_bytes} bytes a row, its header says {declared}"));
        return Err(error.hint("the file is damaged: fetch it again"));
    }
    if row_bytes == 0 && rows > 0 {
        return Err(bad(&format!("its {rows} rows have no bytes")).hint("the file is damaged: fetch it again"));
    }
    let table_bytes = rows.checked_mul(row_bytes).map(|n| n as u64);
    let heap_at = table_bytes.and_then(|n| header.data_at.checked_add(header.count("THEAP").unwrap_or(n)));
    let heap_at = heap_at.ok_or_else(|| bad("its header claims more bytes than there can be"))?;
    Ok(Table { number, name, columns, data_at: header.data_at, heap_at, row_bytes, rows })
}

impl Table {
    fn schema(&self) -> Schema {
        let read = self.columns.iter().filter(|c| c.unread().is_none());
        Schema::new(read.map(|c| c.field.clone()).collect::<Vec<_>>())
    }
}

fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("cannot read the FITS table: {why}"))
}

/// Reads `length` bytes at a position, without using more memory than the file has bytes there.
fn read_at(bytes: &mut impl ReadSeek, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    bytes.seek(SeekFrom::Start(at))?;
    let mut block = Vec::with_capacity(length.min(BATCH_BYTES));
    bytes.take(length as u64).read_to_end(&mut block)?;
    if block.len() < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(block)
}
