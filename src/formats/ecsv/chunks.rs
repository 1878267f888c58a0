//! Splits a stream of text into chunks of complete records, so that memory use is constant and chunks are parsed in
//! parallel.

use std::io::{BufRead, BufReader, Read};

use lamcat_core::error::{Error, ErrorKind, Result};

use crate::{inflate::inflated, markup::refuse_markup};

/// Size of a chunk in bytes, unless one record is longer.
const CHUNK_BYTES: usize = 1 << 19;
/// Maximum length of a record. A record of the XP continuous table has 35 kB.
const RECORD_BYTES: usize = 64 << 20;

/// Complete records of a table, and the line at which they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Number of the first line in the file, from 1.
    pub first_line: u64,
    /// The records with their line endings.
    pub text: Vec<u8>,
}

/// Splits a text into chunks; a compressed text is recognised and inflated.
pub struct Chunks {
    text: Box<dyn BufRead + Send>,
    /// The text that was read beyond the last chunk.
    carry: Vec<u8>,
    line: u64,
    chunk_bytes: usize,
    record_bytes: usize,
    most_lines: u64,
    delimiter: u8,
    done: bool,
}

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunks").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Chunks {
    /// Begins to read a text.
    ///
    /// # Errors
    /// If the first bytes cannot be read.
    pub fn new(bytes: impl Read + Send + 'static) -> Result<Self> {
        let mut text = inflated(bytes).and_then(with_line_feeds).map_err(|e| unreadable(&e, 1))?;
        refuse_markup(text.fill_buf().map_err(|e| unreadable(&e, 1))?)?;
        let (chunk_bytes, record_bytes) = (CHUNK_BYTES, RECORD_BYTES);
        let (carry, most_lines, delimiter) = (Vec::new(), u64::MAX, b',');
        Ok(Self { text, carry, line: 1, chunk_bytes, record_bytes, most_lines, delimiter, done: false })
    }

    /// Sets the delimiter of the cells; after it a quote opens a quoted cell.
    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Limits each chunk to `lines` lines, unless one record has more.
    #[must_use]
    pub fn with_most_lines(mut self, lines: usize) -> Self {
        self.most_lines = (lines as u64).max(1);
        self
    }

    #[cfg(test)]
    fn with_sizes(mut self, chunk_bytes: usize, record_bytes: usize) -> Self {
        (self.chunk_bytes, self.record_bytes) = (chunk_bytes, record_bytes);
        self
    }

    /// Returns the next line, as far as it is valid text, without its line ending; `None` at the end. It reads the
    /// header and must not be called after the first chunk.
    pub(super) fn header_line(&mut self) -> Result<Option<String>> {
        let mut line = Vec::new();
        let limit = self.record_bytes as u64;
        let read = self.text.as_mut().take(limit).read_until(b'\n', &mut line);
        let read = read.map_err(|e| unreadable(&e, self.line))?;
        if read as u64 == limit {
            return Err(self.too_long());
        }
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(&[0xff, 0xfe]) || line.starts_with(&[0xfe, 0xff]) {
            return Err(bad_header("it is UTF-16 text", self.line - 1)
                .hint("write it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW; in Excel, save it as 'CSV UTF-8'"));
        }
        if line.contains(&0) {
            return Err(bad_header("it holds NUL bytes", self.line - 1)
                .hint("it is not text, or UTF-16 text: write it as UTF-8, iconv -f UTF-16LE -t UTF-8 FILE > NEW"));
        }
        let line = std::str::from_utf8(line).map_err(|_| bad_header("it is not UTF-8 text", self.line - 1))?;
        Ok(Some(line.to_owned()))
    }

    /// The number of the next line.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Puts back a chunk that was taken to be examined.
    pub(super) fn put_back(&mut self, chunk: Chunk) {
        self.line = chunk.first_line;
        let later = std::mem::replace(&mut self.carry, chunk.text);
        self.carry.extend_from_slice(&later);
    }

    fn too_long(&self) -> Error {
        let message = format!("a record is longer than {} MiB", self.record_bytes >> 20);
        Error::new(ErrorKind::Input, message)
            .at("line", self.line)
            .hint("a quote that is never closed makes one record of the rest of the file; is this a table of text?")
    }

    fn read_chunk(&mut self) -> Result<Option<Chunk>> {
        let mut text = std::mem::take(&mut self.carry);
        let mut ends = RecordEnds { most_lines: self.most_lines, delimiter: self.delimiter, ..RecordEnds::default() };
        ends.scan(&text);
        loop {
            if (text.len() >= self.chunk_bytes || ends.full()) && ends.last > 0 {
                break;
            }
            if text.len() - ends.last > self.record_bytes {
                return Err(self.too_long());
            }
            let more = self.text.fill_buf().map_err(|e| unreadable(&e, self.line + ends.lines))?;
            if more.is_empty() {
                if ends.quoted {
                    return Err(Error::new(ErrorKind::Input, "a quote is not closed before the file ends")
                        .at("line", self.line + ends.lines)
                        .hint("the file is truncated: fetch it again"));
                }
                ends.last = text.len();
                break;
            }
            let used = more.len();
            text.extend_from_slice(more);
            self.text.consume(used);
            ends.scan(&text);
        }
        self.carry = text.split_off(ends.last);
        if text.is_empty() {
            return Ok(None);
        }
        let first_line = self.line;
        self.line += memchr::memchr_iter(b'\n', &text).count() as u64;
        Ok(Some(Chunk { first_line, text }))
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let chunk = self.read_chunk().transpose();
        self.done = !matches!(chunk, Some(Ok(_)));
        chunk
    }
}

/// Finds the ends of records, which are line endings outside quotes. A line that begins with `#` has no quotes.
#[derive(Debug, Default)]
struct RecordEnds {
    scanned: usize,
    quoted: bool,
    /// Number of lines after which no further record ends.
    most_lines: u64,
    delimiter: u8,
    /// The position at which the last quoted cell was closed.
    closed: Option<usize>,
    /// The position after the last complete record.
    last: usize,
    /// Number of lines in complete records.
    lines: u64,
    /// Number of lines after them.
    pending: u64,
}

impl RecordEnds {
    fn full(&self) -> bool {
        self.lines >= self.most_lines
    }

    fn scan(&mut self, text: &[u8]) {
        if self.full() {
            return;
        }
        for i in memchr::memchr2_iter(b'"', b'\n', &text[self.scanned..]) {
            let at = self.scanned + i;
            if text[at] == b'"' {
                if !self.quoted && text.get(self.last) == Some(&b'#') {
                    continue;
                }
                // A quote opens a cell only at its beginning; two quotes in a row close and reopen it.
                let before = at.checked_sub(1);
                let begins = before
                    .is_none_or(|i| matches!(text[i], b if b == b'\n' || b == self.delimiter) || self.closed == before);
                if self.quoted {
                    self.closed = Some(at);
                }
                self.quoted = !self.quoted && begins;
                continue;
            }
            self.pending += 1;
            if !self.quoted {
                self.last = at + 1;
                self.lines += std::mem::take(&mut self.pending);
                if self.full() {
                    break;
                }
            }
        }
        self.scanned = text.len();
    }
}

/// Replaces line endings by line feeds if they are carriage returns only, as on old Macintosh computers.
fn with_line_feeds(mut text: Box<dyn BufRead + Send>) -> std::io::Result<Box<dyn BufRead + Send>> {
    let begin = text.fill_buf()?;
    if memchr::memchr(b'\n', begin).is_some() || memchr::memchr(b'\r', begin).is_none() {
        return Ok(text);
    }
    Ok(Box::new(BufReader::new(ReturnsToFeeds(text))))
}

struct ReturnsToFeeds(Box<dyn BufRead + Send>);

impl Read for ReturnsToFeeds {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(out)?;
        for b in out[..read].iter_mut().filter(|b| **b == b'\r') {
            *b = b'\n';
        }
        Ok(read)
    }
}

pub(super) fn bad_header(why: &str, line: u64) -> Error {
    Error::new(ErrorKind::Input, format!("the table's header cannot be read: {why}")).at("line", line)
}

fn unreadable(e: &std::io::Error, line: u64) -> Error {
    use std::io::ErrorKind as Io;
    let (what, hint) = match e.kind() {
        Io::UnexpectedEof => ("the compressed file ends too early", "it is truncated: fetch it again"),
        Io::InvalidInput | Io::InvalidData => ("the compressed file is damaged", "fetch it again and check its sum"),
        _ => ("the file cannot be read", "check that it is there and readable"),
    };
    Error::new(ErrorKind::Input, what).at("line", line).source_of(e).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn chunks(text: &[u8], size: usize) -> Vec<Chunk> {
        let chunks = Chunks::new(std::io::Cursor::new(text.to_vec())).unwrap().with_sizes(size, 1 << 16);
        chunks.collect::<Result<_>>().unwrap()
    }

    #[test]
    fn line_ends_in_quotes_do_not_end_records() {
        let text = b"a,\"x\ny\"\nb,c\n\"\"\"\n\",d";
        let found = chunks(text, 1);
        let texts: Vec<&[u8]> = found.iter().map(|c| &*c.text).collect();
        assert_eq!(texts.concat(), text);
        assert!(found.iter().all(|c| memchr::memchr_iter(b'"', &c.text).count().is_multiple_of(2)));
    }

    #[test]
    fn members_of_gzip_are_read_one_after_the_other() {
        let gzip = |text: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let bytes = [gzip(b"1,2\n3,"), gzip(b"4\n")].concat();
        assert_eq!(chunks(&bytes, 1 << 20)[0].text, b"1,2\n3,4\n");
        let cut = bytes[..bytes.len() - 9].to_vec();
        let result: Result<Vec<_>> = Chunks::new(std::io::Cursor::new(cut)).unwrap().collect();
        let message = result.unwrap_err().to_string();
        assert!(message.contains("ends too early") && message.contains("fetch it again"), "{message}");
    }

    #[test]
    fn an_open_quote_and_an_endless_record_are_errors() {
        let read = |text: Vec<u8>| {
            let chunks = Chunks::new(std::io::Cursor::new(text)).unwrap().with_sizes(64, 1 << 20);
            chunks.collect::<Result<Vec<_>>>().unwrap_err().to_string()
        };
        assert!(read(b"a,b\nc,\"d\n".to_vec()).contains("a quote is not closed before the file ends (line 2)"));
        assert!(read(vec![b'1'; 3 << 20]).contains("a record is longer than 1 MiB (line 1)"));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_wherever_the_text_is_cut(text in "[a,\"\n]{0,200}", size in 1usize..64) {
            let whole = Chunks::new(std::io::Cursor::new(text.clone())).unwrap().collect::<Result<Vec<_>>>();
            prop_assume!(whole.is_ok());
            let found = chunks(text.as_bytes(), size);
            let mut line = 1;
            for chunk in &found {
                prop_assert_eq!(chunk.first_line, line);
                line += memchr::memchr_iter(b'\n', &chunk.text).count() as u64;
            }
            prop_assert_eq!(found.into_iter().flat_map(|c| c.text).collect::<Vec<_>>(), text.as_bytes());
        }
    }
}
