//! Several files of plain CSV as one table, whose columns are guessed of each and merged.

use std::{io::Cursor, sync::Arc};

use lamcat::sources::{
    FileColumns, OnError,
    ecsv::{Chunks, Header, RecordParser, infer_schema, open},
    merged,
};

use super::{BATCHES, parts, rows};

pub fn run(data: &[u8]) {
    let mut files: Vec<FileColumns> = Vec::new();
    let mut opened = Vec::new();
    for (part, number) in parts(data).into_iter().zip(0..) {
        let Some((header, mut chunks)) = begin(part) else { continue };
        let Ok(schema) = infer_schema(&header, &mut chunks) else { continue };
        files.push((format!("{number}.csv"), schema));
        opened.push((part, header, chunks));
    }
    let Ok(schema) = merged(&files, true) else { return };
    let schema = Arc::new(schema);
    for (part, header, chunks) in opened {
        let of = |on_error| RecordParser::new(&header, schema.clone(), on_error);
        let read = count(chunks, &of(OnError::Null));
        if let Some(strict) = begin(part).and_then(|(_, chunks)| count(chunks, &of(OnError::Fail))) {
            assert_eq!(read, Some(strict));
        }
    }
}

fn begin(bytes: &[u8]) -> Option<(Header, Chunks)> {
    open(Cursor::new(bytes.to_vec())).ok()
}

fn count(chunks: Chunks, parser: &RecordParser) -> Option<usize> {
    let mut read = 0;
    for chunk in chunks.with_most_lines(parser.most_lines()).take(BATCHES) {
        read += rows(&parser.parse(&chunk.ok()?).ok()?.batch);
    }
    Some(read)
}
