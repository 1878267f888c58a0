//! Finds the cells of delimited text, with quotes, escapes and line endings.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// A cell as written in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct RawCell<'a> {
    /// The text between the quotes, or between the delimiters.
    text: &'a [u8],
    quoted: bool,
    escaped: bool,
    /// Whether something other than a delimiter follows the closing quote.
    pub(super) torn: bool,
    /// Whether this is the last cell of the record.
    pub(super) last: bool,
}

impl<'a> RawCell<'a> {
    /// Returns the cell's value. An unquoted `null`, in upper or lower case, becomes an empty value, so that it is NULL
    /// in columns of strings too.
    pub(super) fn value(&self) -> Cow<'a, [u8]> {
        if !self.quoted {
            let null = self.text.len() == 4 && self.text.eq_ignore_ascii_case(b"null");
            return Cow::Borrowed(if null { b"" } else { self.text });
        }
        if !self.escaped {
            return Cow::Borrowed(self.text);
        }
        let mut value = Vec::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some(at) = memchr(b'"', rest) {
            value.extend_from_slice(&rest[..=at]);
            rest = rest.get(at + 2..).unwrap_or_default();
        }
        value.extend_from_slice(rest);
        Cow::Owned(value)
    }
}

/// Iterates over text cell by cell.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    delimiter: u8,
    comments: Comments,
}

/// The condition under which a line that begins with `#` is a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// Always.
    All,
    /// If it does not have this number of cells.
    UnlessCells(usize),
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8], delimiter: u8, comments: Comments) -> Self {
        Self { text, at: 0, delimiter, comments }
    }

    /// The position in the text.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Skips empty lines and comments; returns false at the end of the text.
    pub(super) fn begin_record(&mut self) -> bool {
        loop {
            match self.text.get(self.at) {
                Some(b'\n' | b'\r') => self.at += 1,
                Some(b'#') if self.is_comment() => {
                    let rest = &self.text[self.at..];
                    self.at += memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                }
                byte => return byte.is_some(),
            }
        }
    }

    fn is_comment(&self) -> bool {
        match self.comments {
            Comments::All => true,
            Comments::UnlessCells(cells) => self.clone().skip_record() != cells,
        }
    }

    /// Returns the next cell of the current record, whose last cell must not have been returned yet.
    pub(super) fn cell(&mut self) -> RawCell<'a> {
        if self.delimiter == b' ' {
            while self.text.get(self.at) == Some(&b' ') {
                self.at += 1;
            }
        }
        if self.text.get(self.at) == Some(&b'"') { self.quoted() } else { self.plain() }
    }

    /// Skips the rest of the record and returns the number of cells in it.
    pub(super) fn skip_record(&mut self) -> usize {
        let mut cells = 1;
        while !self.cell().last {
            cells += 1;
        }
        cells
    }

    fn plain(&mut self) -> RawCell<'a> {
        let begin = self.at;
        let end = memchr2(self.delimiter, b'\n', &self.text[begin..]).map_or(self.text.len(), |i| begin + i);
        let last = self.end_cell(end);
        let text = &self.text[begin..end];
        let text = if last { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
        RawCell { text, quoted: false, escaped: false, torn: false, last }
    }

    fn quoted(&mut self) -> RawCell<'a> {
        let begin = self.at + 1;
        let mut from = begin;
        let mut escaped = false;
        let close = loop {
            let Some(i) = memchr(b'"', &self.text[from..]) else { break self.text.len() };
            if self.text.get(from + i + 1) != Some(&b'"') {
                break from + i;
            }
            escaped = true;
            from += i + 2;
        };
        let after = (close + 1).min(self.text.len());
        let end = memchr2(self.delimiter, b'\n', &self.text[after..]).map_or(self.text.len(), |i| after + i);
        let torn = close == self.text.len() || !self.text[after..end].trim_ascii().is_empty();
        let last = self.end_cell(end);
        RawCell { text: &self.text[begin..close], quoted: true, escaped, torn, last }
    }

    /// Skips the delimiter or line ending at `end`; returns true if it ends the record.
    fn end_cell(&mut self, end: usize) -> bool {
        self.at = (end + 1).min(self.text.len());
        self.text.get(end) != Some(&self.delimiter)
    }
}

/// Maximum number of columns of a table. Some memory is used for each column, however few rows the table has.
pub(super) const MOST_COLUMNS: usize = 1 << 16;

/// Returns the cells of one line; if there are too many, only the first ones.
pub(super) fn split(line: &str, delimiter: u8) -> Vec<String> {
    let mut scan = Scan::new(line.as_bytes(), delimiter, Comments::UnlessCells(0));
    let mut cells = Vec::new();
    loop {
        let cell = scan.cell();
        cells.push(String::from_utf8_lossy(&cell.value()).into_owned());
        if cell.last || cells.len() > MOST_COLUMNS {
            return cells;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<Vec<String>> {
        let mut scan = Scan::new(text.as_bytes(), b',', Comments::UnlessCells(2));
        let mut records = Vec::new();
        while scan.begin_record() {
            let mut record = Vec::new();
            loop {
                let cell = scan.cell();
                assert!(!cell.torn);
                record.push(String::from_utf8_lossy(&cell.value()).into_owned());
                if cell.last {
                    break;
                }
            }
            records.push(record);
        }
        records
    }

    #[test]
    fn cells_are_found() {
        assert_eq!(
            records("a,\"b,\"\"c\"\"\",\n\r\n,\"\"\r\nnull,\"null\""),
            [vec!["a", "b,\"c\"", ""], vec!["", ""], vec!["", "null"]]
        );
        assert_eq!(split("a b  \"c d\"", b' '), ["a", "b", "c d"]);
    }

    #[test]
    fn lines_that_begin_with_a_hash_are_comments_unless_they_may_be_records() {
        assert_eq!(records("a,b\n# not a row\n#1,2\n# x, y, z\n"), [vec!["a", "b"], vec!["#1", "2"]]);
        let mut all = Scan::new(b"#1,2\n# x", b',', Comments::All);
        assert!(!all.begin_record());
    }

    #[test]
    fn text_behind_a_quote_is_torn() {
        let scan = |text| Scan::new(text, b',', Comments::All);
        assert!(scan(b"\"a\"b,c").cell().torn);
        assert!(scan(b"\"a").cell().torn);
        assert!(!scan(b"\"a\" ,c").cell().torn);
    }
}
