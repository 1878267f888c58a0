//! A table as ECSV. Its rows do not depend on which columns are read, nor on what becomes of malformed values.

use std::{io::Cursor, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use lamcat::sources::{
    OnError,
    ecsv::{RecordParser, infer_schema, open},
};

use super::{BATCHES, rows};

pub fn run(data: &[u8]) {
    let all = read(data, |schema| Arc::new(schema.clone()), OnError::Null);
    let none = read(data, |_| Arc::new(Schema::empty()), OnError::Null);
    assert_eq!(all, none);
    if let Some(strict) = read(data, |schema| Arc::new(schema.clone()), OnError::Fail) {
        assert_eq!(Some(strict), all);
    }
}

/// Rows of the file, read with these columns; `None` if it cannot be read.
fn read(data: &[u8], columns: impl Fn(&Schema) -> SchemaRef, on_error: OnError) -> Option<usize> {
    let (header, mut chunks) = open(Cursor::new(data.to_vec())).ok()?;
    let schema = infer_schema(&header, &mut chunks).ok()?;
    let parser = RecordParser::new(&header, columns(&schema), on_error);
    let mut read = 0;
    for chunk in chunks.with_most_lines(parser.most_lines()).take(BATCHES) {
        read += rows(&parser.parse(&chunk.ok()?).ok()?.batch);
    }
    Some(read)
}
