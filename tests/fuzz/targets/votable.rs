//! A VOTable. Its rows do not depend on which columns are read.

use std::io::Cursor;

use lamcat::sources::{OnError, TableChoice, VoTable};

use super::{BATCHES, rows};

pub fn run(data: &[u8]) {
    let choices = [TableChoice::All, TableChoice::First, TableChoice::Number(2), TableChoice::Name("b".to_owned())];
    for choice in choices {
        let Some(all) = read(data, &choice, OnError::Null, |_| true) else { continue };
        assert_eq!(read(data, &choice, OnError::Null, |_| false), Some(all));
        if let Some(strict) = read(data, &choice, OnError::Fail, |name| name.len().is_multiple_of(2)) {
            assert_eq!(strict, all);
        }
    }
}

/// Rows of the first batches; `None` if they cannot be read.
fn read(data: &[u8], choice: &TableChoice, on_error: OnError, wanted: impl Fn(&str) -> bool) -> Option<usize> {
    let table = VoTable::read(Cursor::new(data.to_vec()), choice).ok()?;
    let _ = table.left_out();
    let mut table = table.on_error(on_error).select(wanted);
    let mut read = 0;
    for batch in table.by_ref().take(BATCHES) {
        read += rows(&batch.ok()?);
    }
    let _ = (table.overflow(), table.malformed());
    Some(read)
}
