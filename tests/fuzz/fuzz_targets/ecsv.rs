//! Any bytes as an ECSV file: an error or rows, never a panic; and the rows do not depend on which columns are read.
#![no_main]
#![allow(dead_code, unused_imports, reason = "the reader's modules are used in part")]

#[path = "../../../src/error/types.rs"]
mod error;
#[path = "../../../src/schema"]
mod schema {
    mod gaia_columns;
    pub use gaia_columns::gaia_column;
}
#[path = "../../../src/sources"]
mod sources {
    pub mod cells;
    pub mod ecsv;
    mod inflate;
    pub mod on_error;
}

use std::{io::Cursor, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use libfuzzer_sys::fuzz_target;
use sources::{
    ecsv::{RecordParser, infer_schema, open},
    on_error::OnError,
};

/// Rows of the file, read with these columns; `None` if it cannot be read.
fn rows(data: &[u8], columns: impl Fn(&Schema) -> SchemaRef, on_error: OnError) -> Option<usize> {
    let (header, mut chunks) = open(Cursor::new(data.to_vec())).ok()?;
    let schema = infer_schema(&header, &mut chunks).ok()?;
    let parser = RecordParser::new(&header, columns(&schema), on_error);
    let mut rows = 0;
    for chunk in chunks {
        let parsed = parser.parse(&chunk.ok()?).ok()?;
        parsed.batch.columns().iter().for_each(|c| c.to_data().validate_full().expect("valid arrays"));
        rows += parsed.batch.num_rows();
    }
    Some(rows)
}

fuzz_target!(|data: &[u8]| {
    let all = rows(data, |s| Arc::new(s.clone()), OnError::Null);
    let none = rows(data, |_| Arc::new(Schema::empty()), OnError::Null);
    assert_eq!(all, none);
    if let Some(strict) = rows(data, |s| Arc::new(s.clone()), OnError::Fail) {
        assert_eq!(Some(strict), all);
    }
});
