//! FITS binary tables (FITS Standard 4.0, section 7.3) as Arrow batches.
//!
//! Integers, floats, logicals and strings, scalar, of fixed or of variable length. TNULL and NaN become NULL; TSCAL and
//! TZERO are applied; TUNIT and TUCD become field metadata. Complex and bit columns, and strings of variable length,
//! are refused by name.

mod column;

use std::{
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{Schema, SchemaRef},
};
use column::{Column, Descriptor, columns, integer};
use fitsrs::{Fits, HDU};

use crate::error::{Error, ErrorKind, Result};

/// Most rows of a batch, and most bytes of its rows.
const BATCH_ROWS: usize = 8192;
const BATCH_BYTES: usize = 8 << 20;
/// A batch's lists are read at once if they lie within so many times their own length, else one by one.
const SPREAD: u64 = 8;

/// Bytes that can be read from any place.
pub trait ReadSeek: Read + Seek + Send + std::fmt::Debug {}
impl<T: Read + Seek + Send + std::fmt::Debug> ReadSeek for T {}

/// The first binary table of a FITS file, read batch by batch.
pub struct FitsTable {
    path: String,
    bytes: Box<dyn ReadSeek>,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// Where the rows and the heap begin in the file.
    data_at: u64,
    heap_at: u64,
    row_bytes: usize,
    rows: usize,
    rows_read: usize,
}

impl std::fmt::Debug for FitsTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FitsTable").field("path", &self.path).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl FitsTable {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If it is not a FITS file with a binary table, or a column has a type that is not supported.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|e| bad("the file cannot be opened").at("file", &name).source(e))?;
        Self::read(file, &name)
    }

    /// Reads the header of the file `path` from its bytes.
    ///
    /// # Errors
    /// As [`FitsTable::open`].
    pub fn read(bytes: impl ReadSeek + 'static, path: &str) -> Result<Self> {
        Self::read_header(Box::new(bytes), path).map_err(|e| e.within("file", path))
    }

    fn read_header(mut bytes: Box<dyn ReadSeek>, path: &str) -> Result<Self> {
        let mut hdus = Fits::from_reader(BufReader::new(&mut bytes));
        let table = loop {
            match hdus.next() {
                Some(Ok(HDU::XBinaryTable(table))) => break table,
                Some(Ok(_)) => {}
                Some(Err(e)) => {
                    let error = bad("it is not a FITS file, or its header is damaged").source(e);
                    return Err(error.hint("the file is truncated or damaged: fetch it again"));
                }
                None => return Err(bad("it holds no binary table").hint("FITS images and ASCII tables are not read")),
            }
        };
        let header = table.get_header();
        let (columns, row_bytes) = columns(header)?;
        let rows = header.get_xtension().get_num_rows();
        let data_at = table.get_data_unit_byte_offset();
        let cards = ["NAXIS1", "THEAP"].map(|key| integer(header, key).and_then(|n| u64::try_from(n).ok()));
        drop(hdus);
        let declared = cards[0].unwrap_or(0);
        if declared != row_bytes as u64 {
            let error = bad(&format!("its columns take {row_bytes} bytes a row, its header says {declared}"));
            return Err(error.hint("the file is damaged: fetch it again"));
        }
        let table_bytes = rows.checked_mul(row_bytes).map(|n| n as u64);
        let heap_at = table_bytes.and_then(|n| data_at.checked_add(cards[1].unwrap_or(n)));
        let heap_at = heap_at.ok_or_else(|| bad("its header claims more bytes than there can be"))?;
        let schema = schema_of(&columns);
        Ok(Self { path: path.to_owned(), bytes, columns, schema, data_at, heap_at, row_bytes, rows, rows_read: 0 })
    }

    /// The same table with the columns that `wanted` names alone.
    #[must_use]
    pub fn select(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.columns.retain(|c| wanted(c.field.name()));
        self.schema = schema_of(&self.columns);
        self
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of the table.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn read_batch(&mut self) -> Result<RecordBatch> {
        let most = (BATCH_BYTES / self.row_bytes.max(1)).clamp(1, BATCH_ROWS);
        let rows = most.min(self.rows - self.rows_read);
        let at = self.data_at + (self.rows_read * self.row_bytes) as u64;
        let mut block = read_at(&mut self.bytes, at, rows * self.row_bytes).map_err(|e| self.short(e))?;
        let rows = self.rows_that_fit(&block);
        block.truncate(rows * self.row_bytes);
        let columns = std::mem::take(&mut self.columns);
        let arrays = columns.iter().map(|c| self.array(c, &block).map_err(|e| e.at("column", c.field.name())));
        let arrays = arrays.collect::<Result<Vec<_>>>();
        self.columns = columns;
        let arrays = arrays.map_err(|e| e.at("file", &self.path))?;
        self.rows_read += rows;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|e| Error::new(ErrorKind::Input, "inconsistent FITS columns").at("file", &self.path).source(e))
    }

    /// How many of a block's rows have lists of no more than a batch's bytes together; one at least.
    fn rows_that_fit(&self, block: &[u8]) -> usize {
        let mut bytes = 0usize;
        let fits = block.chunks_exact(self.row_bytes.max(1)).take_while(|row| {
            let lists = self.columns.iter().filter_map(|c| {
                let (count, _) = c.heap?.read(&row[c.offset..c.offset + c.bytes()])?;
                Some(count.saturating_mul(c.element_bytes()))
            });
            bytes = lists.fold(bytes, usize::saturating_add);
            bytes <= BATCH_BYTES
        });
        fits.count().max(1)
    }

    fn short(&self, e: std::io::Error) -> Error {
        Error::new(ErrorKind::Input, format!("the FITS table ends before its {} rows", self.rows))
            .at("file", &self.path)
            .at("row", self.rows_read)
            .source(e)
            .hint("the file is truncated: fetch it again")
    }

    fn array(&mut self, column: &Column, block: &[u8]) -> Result<ArrayRef> {
        let cells = block.chunks_exact(self.row_bytes).map(|row| &row[column.offset..column.offset + column.bytes()]);
        match column.heap {
            None => column.decode(cells),
            Some(descriptor) => {
                let places = self.places(column, descriptor, cells)?;
                self.lists(column, &places)
            }
        }
    }

    /// Byte ranges of a column's lists in the heap.
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
            let end = offset.checked_add(bytes as u64).and_then(|end| end.checked_add(self.heap_at));
            end.map(|_| (offset, bytes)).ok_or_else(|| bad(row))
        };
        cells.enumerate().map(place).collect()
    }

    fn lists(&mut self, column: &Column, places: &[(u64, usize)]) -> Result<ArrayRef> {
        let filled = || places.iter().filter(|(_, bytes)| *bytes > 0);
        let begin = filled().map(|(at, _)| *at).min().unwrap_or(0);
        let end = filled().map(|(at, bytes)| at + *bytes as u64).max().unwrap_or(0);
        let needed: u64 = filled().map(|(_, bytes)| *bytes as u64).sum();
        // Many rows of one place could ask for more than there is: the file's length bounds what is read.
        let length = self.bytes.seek(SeekFrom::End(0)).map_err(|e| self.short(e))?;
        if self.heap_at.saturating_add(end) > length || needed > length {
            return Err(self.short(std::io::ErrorKind::UnexpectedEof.into()));
        }
        if end - begin <= needed.saturating_mul(SPREAD) {
            let heap_at = self.heap_at + begin;
            let span = read_at(&mut self.bytes, heap_at, (end - begin) as usize).map_err(|e| self.short(e))?;
            let list = |(at, bytes): &(u64, usize)| {
                let at = at.saturating_sub(begin) as usize;
                if *bytes == 0 { &[][..] } else { &span[at..at + bytes] }
            };
            return column.decode_lists(places.iter().map(list));
        }
        let mut lists = Vec::with_capacity(places.len());
        for (at, bytes) in places {
            lists.push(read_at(&mut self.bytes, self.heap_at + at, *bytes).map_err(|e| self.short(e))?);
        }
        column.decode_lists(lists.iter().map(Vec::as_slice))
    }
}

impl Iterator for FitsTable {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows_read == self.rows {
            return None;
        }
        let batch = self.read_batch();
        if batch.is_err() {
            self.rows_read = self.rows;
        }
        Some(batch)
    }
}

fn bad(why: &str) -> Error {
    Error::new(ErrorKind::Input, format!("cannot read the FITS table: {why}"))
}

fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|c| c.field.clone()).collect::<Vec<_>>()))
}

fn read_at(bytes: &mut impl ReadSeek, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    bytes.seek(SeekFrom::Start(at))?;
    let mut block = vec![0; length];
    bytes.read_exact(&mut block)?;
    Ok(block)
}
