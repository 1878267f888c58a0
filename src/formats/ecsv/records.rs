//! Converts chunks of records to Arrow batches. Columns that are not requested are skipped and not parsed.

use std::collections::HashMap;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::{Field, SchemaRef},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{chunks::Chunk, header::Header, scan::Scan};
use crate::{
    cells::{CellBuilder, cell_builder, guessed_builder, rows_within},
    on_error::OnError,
};

const DAMAGED: &str = "the file is damaged: fetch it again; or make such values NULL with on_error = 'null'";
const GUESSED: &str = "the type was guessed from the first records: declare it, CREATE EXTERNAL TABLE t (column DOUBLE, …) \
                       STORED AS ECSV; or the file is damaged";

const NOT_UTF8: &str = "write the file as UTF-8, e.g. iconv -f LATIN1 -t UTF-8 FILE > NEW";

/// Maximum size in bytes of the fixed-size lists of a batch.
const BATCH_BYTES: usize = 16 << 20;
/// Maximum length of the part of a cell that is shown in a message.
const SHOWN_BYTES: usize = 40;

/// Parses the records of one file.
#[derive(Debug, Clone)]
pub struct RecordParser {
    header: Header,
    /// For each column of the file the column of the batch that it becomes.
    targets: Vec<Option<usize>>,
    schema: SchemaRef,
    on_error: OnError,
}

/// A parsed chunk.
#[derive(Debug)]
pub struct Parsed {
    /// The rows.
    pub batch: RecordBatch,
    /// Number of malformed cells that became NULL; a record with too few or too many cells counts for each column.
    pub malformed: usize,
}

impl RecordParser {
    /// Creates a parser that returns the columns of `schema`, by name; columns that the file lacks are NULL.
    #[must_use]
    pub fn new(header: &Header, schema: SchemaRef, on_error: OnError) -> Self {
        let places: HashMap<&str, usize> = schema.fields().iter().map(|f| f.name().as_str()).zip(0..).collect();
        let targets = header.names.iter().map(|name| places.get(name.as_str()).copied()).collect();
        Self { header: header.clone(), targets, schema, on_error }
    }

    /// Maximum number of lines to parse at once, because fixed-size lists take memory even if they are NULL.
    #[must_use]
    pub fn most_lines(&self) -> usize {
        rows_within(&self.schema, BATCH_BYTES)
    }

    /// Whether the types were guessed from the first records.
    fn guessed(&self) -> bool {
        self.header.fields.is_none()
    }

    /// Parses a chunk.
    ///
    /// # Errors
    /// If a cell is malformed, unless malformed cells are to become NULL; or if a column's type cannot be read from
    /// text.
    pub fn parse(&self, chunk: &Chunk) -> Result<Parsed> {
        let mut builders = self.schema.fields().iter().map(|f| self.builder(f)).collect::<Result<Vec<_>>>()?;
        let mut present = vec![false; builders.len()];
        for target in self.targets.iter().flatten() {
            present[*target] = true;
        }
        let mut scan = self.header.scan(&chunk.text);
        let (mut rows, mut malformed) = (0, 0);
        while scan.begin_record() {
            malformed += self.record(chunk, &mut scan, &mut builders)?;
            rows += 1;
            for (builder, _) in builders.iter_mut().zip(&present).filter(|(_, present)| !**present) {
                builder.append_null();
            }
        }
        let columns = builders.iter_mut().map(|b| b.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|e| Error::new(ErrorKind::Input, "inconsistent columns").at("line", chunk.first_line).source(e))?;
        Ok(Parsed { batch, malformed })
    }

    /// Appends one record to the builders; returns the number of malformed cells.
    fn record(&self, chunk: &Chunk, scan: &mut Scan, builders: &mut [Box<dyn CellBuilder>]) -> Result<usize> {
        let begin = scan.at();
        let cells = scan.clone().skip_record();
        if cells != self.header.names.len() {
            scan.skip_record();
            return self.wrong_count(chunk, cells, builders, begin);
        }
        let mut malformed = 0;
        for (column, target) in self.targets.iter().enumerate() {
            let cell = scan.cell();
            let Some(target) = *target else { continue };
            let value = cell.value();
            if !cell.torn && builders[target].append(&value).is_ok() {
                continue;
            }
            if self.on_error == OnError::Fail {
                return Err(self.malformed(chunk, begin, column, &value));
            }
            builders[target].append_null();
            malformed += 1;
        }
        Ok(malformed)
    }

    fn wrong_count(
        &self,
        chunk: &Chunk,
        cells: usize,
        builders: &mut [Box<dyn CellBuilder>],
        begin: usize,
    ) -> Result<usize> {
        if self.on_error == OnError::Null {
            for target in self.targets.iter().flatten() {
                builders[*target].append_null();
            }
            return Ok(self.targets.iter().flatten().count());
        }
        let (short, names) = (cells < self.header.names.len(), &self.header.names);
        let message = format!("the record has {cells} values, the table {} columns", names.len());
        let error = Error::new(ErrorKind::Input, message).at("line", line_of(chunk, begin));
        let error = if short { error.at("column", &names[cells]) } else { error };
        Err(error.hint(DAMAGED))
    }

    fn malformed(&self, chunk: &Chunk, begin: usize, column: usize, value: &[u8]) -> Error {
        let field = &self.header.names[column];
        let expected = self.schema.field_with_name(field).map(|f| f.data_type().to_string()).unwrap_or_default();
        let (message, hint) = match std::str::from_utf8(value) {
            Err(_) => (format!("'{}' is not UTF-8 text", shown(value)), NOT_UTF8),
            Ok(_) if self.guessed() => (format!("'{}' is not a value of type {expected}", shown(value)), GUESSED),
            Ok(_) => (format!("'{}' is not a value of type {expected}", shown(value)), DAMAGED),
        };
        Error::new(ErrorKind::Input, message).at("line", line_of(chunk, begin)).at("column", field).hint(hint)
    }

    fn builder(&self, field: &Field) -> Result<Box<dyn CellBuilder>> {
        let of_type = if self.guessed() { guessed_builder } else { cell_builder };
        of_type(field.data_type()).ok_or_else(|| {
            let message = format!("columns of type {} cannot be read from text", field.data_type());
            let error = Error::new(ErrorKind::Input, message).at("column", field.name());
            error.hint("declare it VARCHAR and cast it in SQL")
        })
    }
}

fn line_of(chunk: &Chunk, at: usize) -> u64 {
    chunk.first_line + memchr::memchr_iter(b'\n', &chunk.text[..at]).count() as u64
}

/// Returns the beginning of a value in printable form.
fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(&value[..value.len().min(SHOWN_BYTES)]).escape_debug().to_string();
    if value.len() > SHOWN_BYTES { format!("{text}…") } else { text }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{array::AsArray, datatypes::Int64Type, util::pretty::pretty_format_batches};

    use super::*;
    use crate::ecsv::{Chunks, open};

    fn read(text: &str, columns: &[&str], on_error: OnError) -> Result<Parsed> {
        let (header, mut chunks) = open(std::io::Cursor::new(text.as_bytes().to_vec()))?;
        let schema = super::super::infer_schema(&header, &mut chunks)?;
        let indices: Vec<_> = columns.iter().map(|c| schema.index_of(c).unwrap()).collect();
        let schema = Arc::new(schema.project(&indices).unwrap());
        let parser = RecordParser::new(&header, schema, on_error);
        parser.parse(&next(&mut chunks)?)
    }

    fn next(chunks: &mut Chunks) -> Result<Chunk> {
        chunks.next().unwrap_or_else(|| Ok(Chunk { first_line: 1, text: Vec::new() }))
    }

    const TEXT: &str = "id,name,x\n1,a,\"[1,2]\"\n\n2,\"b\"\"q\",\n3,null,\"(3)\"\n";

    #[test]
    fn columns_asked_for_come_in_the_order_asked() {
        let parsed = read(TEXT, &["x", "name", "id"], OnError::Fail).unwrap();
        let shown = pretty_format_batches(&[parsed.batch]).unwrap().to_string();
        assert!(shown.contains("| [1.0, 2.0] | a    | 1  |"), "{shown}");
        assert!(shown.contains("|            | b\"q  | 2  |"), "{shown}");
        assert!(shown.contains("| [3.0]      |      | 3  |"), "{shown}");
    }

    #[test]
    fn rows_are_counted_without_any_column() {
        assert_eq!(read(TEXT, &[], OnError::Fail).unwrap().batch.num_rows(), 3);
        assert_eq!(read("x\n1\n\"\"\n\n3\n\n", &["x"], OnError::Fail).unwrap().batch.num_rows(), 3);
    }

    #[test]
    fn malformed_cells_name_line_and_column_or_are_null() {
        let text = "id,x\n1,2\n2,3\n\n4,oops\n5\n6,7,8\n9,\"1\"2\n";
        let schema = |e: OnError| {
            let (header, mut chunks) = open(std::io::Cursor::new(text.as_bytes().to_vec())).unwrap();
            let fields = ["id", "x"].map(|n| Field::new(n, arrow::datatypes::DataType::Int64, true));
            let parser = RecordParser::new(&header, Arc::new(arrow::datatypes::Schema::new(fields.to_vec())), e);
            parser.parse(&next(&mut chunks).unwrap())
        };
        let message = schema(OnError::Fail).unwrap_err().to_string();
        assert!(message.starts_with("'oops' is not a value of type Int64 (line 5, column x)"), "{message}");
        let parsed = schema(OnError::Null).unwrap();
        assert_eq!(parsed.malformed, 1 + 2 + 2 + 1);
        let ids: Vec<_> = parsed.batch.column(0).as_primitive::<Int64Type>().iter().collect();
        assert_eq!(ids, [Some(1), Some(2), Some(4), None, None, Some(9)]);
    }
}
