//! Filters the text of a JSON file for the parser, which would take the last of two values with the same key and does
//! not support an array of rows.

use std::io::{self, BufRead, Read};

use lamcat_core::error::{Error, ErrorKind, Result};
use memchr::memchr2;

use crate::{inflate::inflated, markup::refuse_markup};

/// Text in which each object has each key only once, without the array around all objects.
pub(super) struct JsonText {
    bytes: Box<dyn BufRead + Send>,
    scan: Scan,
}

impl JsonText {
    /// Opens the text of a file, which may be compressed.
    pub(super) fn new(bytes: impl Read + Send + 'static) -> Result<Self> {
        let unreadable = |e| Error::new(ErrorKind::Io, "cannot read the file").source(e);
        let mut bytes = inflated(bytes).map_err(unreadable)?;
        let start = bytes.fill_buf().map_err(unreadable)?;
        refuse_markup(start)?;
        let mark = "\u{feff}".len();
        if start.starts_with("\u{feff}".as_bytes()) {
            bytes.consume(mark);
        }
        Ok(Self { bytes, scan: Scan { line: 1, ..Scan::default() } })
    }
}

impl Read for JsonText {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(out)?;
        self.scan.pass(&mut out[..length]).map_err(io::Error::other)?;
        Ok(length)
    }
}

/// An object or array that is open at a position of the text.
enum Open {
    Array,
    Object {
        /// The positions of its keys so far in [`Scan::keys`].
        keys: Vec<(usize, usize)>,
        /// Whether the next text is a key.
        wants_key: bool,
    },
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is another side of the place that was reached")]
struct Scan {
    line: u64,
    open: Vec<Open>,
    /// Whether any value has begun, and whether it was the array around all rows.
    begun: bool,
    in_rows: bool,
    /// Whether the position is within quotes, after a backslash in them, and within a key.
    quoted: bool,
    escaped: bool,
    in_key: bool,
    /// The keys of the open objects, as written in the file.
    keys: Vec<u8>,
    key_at: usize,
}

impl Scan {
    /// Examines the next bytes, and blanks out those that belong to the array around the rows.
    fn pass(&mut self, bytes: &mut [u8]) -> Result<()> {
        let mut at = 0;
        while at < bytes.len() {
            if self.quoted {
                at += self.quoted(&bytes[at..])?;
                continue;
            }
            let byte = &mut bytes[at];
            let is_outermost = self.open.is_empty();
            match *byte {
                b'\n' => self.line += 1,
                b'"' => self.quote(),
                b'{' => self.open.push(Open::Object { keys: Vec::new(), wants_key: true }),
                b'[' if is_outermost && !self.begun => {
                    self.in_rows = true;
                    *byte = b' ';
                }
                b'[' => self.open.push(Open::Array),
                b',' | b']' if is_outermost && self.in_rows => *byte = b' ',
                b'}' | b']' => self.close(),
                b',' | b':' => {
                    let is_comma = *byte == b',';
                    if let Some(Open::Object { wants_key, .. }) = self.open.last_mut() {
                        *wants_key = is_comma;
                    }
                }
                _ => {}
            }
            self.begun |= !bytes[at].is_ascii_whitespace() || self.in_rows;
            at += 1;
        }
        Ok(())
    }

    fn quote(&mut self) {
        self.quoted = true;
        self.in_key = matches!(self.open.last(), Some(Open::Object { wants_key: true, .. }));
        self.key_at = self.keys.len();
    }

    fn close(&mut self) {
        if let Some(Open::Object { keys, .. }) = self.open.pop()
            && let Some((first, _)) = keys.first()
        {
            self.keys.truncate(*first);
        }
    }

    /// Skips bytes within quotes; returns their number.
    fn quoted(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.escaped {
            self.escaped = false;
            self.keep(&bytes[..1]);
            return Ok(1);
        }
        let Some(end) = memchr2(b'"', b'\\', bytes) else {
            self.keep(bytes);
            return Ok(bytes.len());
        };
        if bytes[end] == b'\\' {
            self.escaped = true;
            self.keep(&bytes[..=end]);
            return Ok(end + 1);
        }
        self.keep(&bytes[..end]);
        self.quoted = false;
        if self.in_key {
            self.add_key()?;
        }
        Ok(end + 1)
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.in_key {
            self.keys.extend_from_slice(bytes);
        }
    }

    /// Adds the key that has ended to those of its object.
    fn add_key(&mut self) -> Result<()> {
        let written = String::from_utf8_lossy(&self.keys[self.key_at..]).into_owned();
        if written.contains('\\')
            && let Ok(meant) = serde_json::from_str::<String>(&format!("\"{written}\""))
        {
            self.keys.truncate(self.key_at);
            self.keys.extend_from_slice(meant.as_bytes());
        }
        let key = (self.key_at, self.keys.len());
        let text = |(start, end): (usize, usize)| &self.keys[start..end];
        if let Some(Open::Object { keys, .. }) = self.open.last_mut() {
            if keys.iter().any(|other| text(*other) == text(key)) {
                let message = format!("an object has the key '{}' twice", String::from_utf8_lossy(text(key)));
                return Err(Error::new(ErrorKind::Input, message)
                    .at("line", self.line)
                    .hint("rename one where the file is made: by their name they cannot be told apart"));
            }
            keys.push(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the filtered text, with input and output a few bytes at a time.
    fn passed(text: &str) -> Result<String, String> {
        let mut scan = Scan { line: 1, ..Scan::default() };
        let mut bytes = text.as_bytes().to_vec();
        for part in bytes.chunks_mut(3) {
            scan.pass(part).map_err(|e| e.to_string())?;
        }
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_key_is_once_in_each_object() {
        for good in [
            "{\"a\": 1, \"b\": {\"a\": 2, \"c\": [{\"a\": 3}, {\"a\": 4}]}, \"c\": \"a\"}\n{\"a\": 5}",
            "{\"a\\\"\": \"\\\\\", \"a\": \"\\\"a\\\"\", \"\": {}, \"x\": [\"a\", \"a\", [\"a\"]]}",
        ] {
            assert_eq!(passed(good).unwrap(), good);
        }
        for (bad, line) in [
            ("{\"a\": 1,\n \"b\": 2,\n\"a\": 3}", 3),
            ("{\"n\": {\"a\": {}, \"a\": 2}}", 1),
            ("{}\n{\"a\": [{\"a\": {}}], \"\\u0061\": 2}", 2),
        ] {
            let e = passed(bad).unwrap_err();
            assert!(e.contains("the key 'a' twice") && e.contains(&format!("line {line}")), "{e}");
        }
    }

    #[test]
    fn the_array_around_the_rows_is_taken_away() {
        let rows = passed(" [{\"a\": [1, 2]},\n {\"a\": [[3]], \"b\": \"],[\"}]\n").unwrap();
        assert_eq!(rows, "  {\"a\": [1, 2]} \n {\"a\": [[3]], \"b\": \"],[\"} \n");
    }
}
