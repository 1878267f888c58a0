//! Where the cells of delimited text are: quotes, escapes, line ends.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// A cell as it stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct RawCell<'a> {
    /// Between the quotes, or between the delimiters.
    text: &'a [u8],
    quoted: bool,
    escaped: bool,
    /// Something other than a delimiter follows the closing quote.
    pub(super) torn: bool,
    /// No further cell in the record.
    pub(super) last: bool,
}

impl<'a> RawCell<'a> {
    /// The cell's value. An unquoted `null` in any case is empty, so that it is NULL in columns of strings too.
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

/// Goes through text cell by cell.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    delimiter: u8,
    comments: Comments,
}

/// Which of the lines that begin with `#` are comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comments {
    /// All of them.
    All,
    /// Those that have another number of cells.
    UnlessCells(usize),
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a [u8], delimiter: u8, comments: Comments) -> Self {
        Self { text, at: 0, delimiter, comments }
    }

    /// Position in the text.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Skips empty lines and comments; false at the end of the text.
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

    /// The next cell of a record that was begun and whose last cell was not yet given.
    pub(super) fn cell(&mut self) -> RawCell<'a> {
        if self.delimiter == b' ' {
            while self.text.get(self.at) == Some(&b' ') {
                self.at += 1;
            }
        }
        if self.text.get(self.at) == Some(&b'"') { self.quoted() } else { self.plain() }
    }

    /// Goes to the end of the record and gives how many cells it had.
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

    /// Steps over the delimiter or line end at `end`; true if it ends the record.
    fn end_cell(&mut self, end: usize) -> bool {
        self.at = (end + 1).min(self.text.len());
        self.text.get(end) != Some(&self.delimiter)
    }
}

/// Most columns of a table. Of each something is held, whatever the table has of rows.
pub(super) const MOST_COLUMNS: usize = 1 << 16;

/// The cells of one line, or the first of too many.
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
