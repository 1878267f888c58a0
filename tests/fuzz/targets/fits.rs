//! A FITS file. Its rows do not depend on which columns are read.
//!
//! An input is a file, or a text of which one is made: a card in a line, as far as the line `END`, and data as far as a
//! separator, and again.

use std::io::Cursor;

use lamcat::sources::{FitsTable, TableChoice};

use super::{BATCHES, BETWEEN, rows};

const CARD: usize = 80;
const BLOCK: usize = 2880;

pub fn run(data: &[u8]) {
    let is_file = !data[..data.len().min(CARD)].contains(&b'\n');
    let file = if is_file { data.to_vec() } else { file(data) };
    for choice in [TableChoice::All, TableChoice::First, TableChoice::Number(2), TableChoice::Name("b".to_owned())] {
        let Some((all, true)) = read(&file, &choice, |_| true) else { continue };
        match read(&file, &choice, |_| false) {
            Some((rows, ended)) => assert!(rows == all || !ended, "{rows} rows without columns, {all} with all"),
            None => panic!("the {all} rows cannot be read without columns"),
        }
    }
}

fn file(mut text: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while !text.is_empty() {
        let mut ended = false;
        while !ended && !text.is_empty() {
            let (line, rest) = text.split_at(memchr::memchr(b'\n', text).unwrap_or(text.len()));
            let mut card = [b' '; CARD];
            let length = line.len().min(CARD);
            card[..length].copy_from_slice(&line[..length]);
            file.extend_from_slice(&card);
            text = rest.get(1..).unwrap_or_default();
            ended = line == b"END";
        }
        file.resize(file.len().next_multiple_of(BLOCK), b' ');
        let end = memchr::memmem::find(text, BETWEEN);
        file.extend_from_slice(&text[..end.unwrap_or(text.len())]);
        file.resize(file.len().next_multiple_of(BLOCK), 0);
        text = end.map_or(&[], |end| &text[end + BETWEEN.len()..]);
    }
    file
}

/// Rows of the first batches, and whether they are all; `None` if they cannot be read.
fn read(file: &[u8], choice: &TableChoice, wanted: impl Fn(&str) -> bool) -> Option<(usize, bool)> {
    let table = FitsTable::read(Cursor::new(file.to_vec()), "input.fits", choice).ok()?;
    let _ = (table.left_out(), table.rows());
    let mut read = 0;
    let mut batches = table.select(wanted);
    for batch in batches.by_ref().take(BATCHES) {
        read += rows(&batch.ok()?);
    }
    Some((read, batches.next().is_none()))
}
