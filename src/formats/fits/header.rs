//! Headers of FITS files (FITS Standard 4.0, section 4): cards of 80 characters, in blocks.

use std::{
    collections::HashMap,
    io::{Read, SeekFrom},
};

use lamcat_core::error::Result;

use super::bad;
use crate::inflate::ReadSeek;

const BLOCK_BYTES: usize = 2880;
const CARD_BYTES: usize = 80;
/// Maximum length of a header.
const HEADER_BYTES: usize = 16 << 20;

/// The value of a card.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Text(String),
    Logical(bool),
    Integer(i64),
    Float(f64),
}

/// A header and the position of its data.
#[derive(Debug, Clone)]
pub(super) struct Header {
    cards: HashMap<String, Value>,
    /// Position at which the data begin in the file.
    pub(super) data_at: u64,
    /// Position at which the next header begins.
    pub(super) next_at: u64,
}

impl Header {
    /// Reads the header at `at`; `None` if the file ends there, or what follows is not a header.
    pub(super) fn read(bytes: &mut dyn ReadSeek, at: u64) -> Result<Option<Self>> {
        let first = at == 0;
        let unreadable = |e: std::io::Error| bad("its header cannot be read").source(e);
        bytes.seek(SeekFrom::Start(at)).map_err(unreadable)?;
        let (mut cards, mut length, mut text) = (HashMap::new(), 0, None);
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        loop {
            block.clear();
            (&mut *bytes).take(BLOCK_BYTES as u64).read_to_end(&mut block).map_err(unreadable)?;
            let begins = block.starts_with(if first { b"SIMPLE  =" } else { b"XTENSION=" });
            if length == 0 && !begins {
                let not_fits = "it is not a FITS file, or its header is damaged";
                return if first { Err(bad(not_fits).hint(DAMAGED)) } else { Ok(None) };
            }
            length += block.len();
            if block.len() < BLOCK_BYTES || length > HEADER_BYTES {
                return Err(bad("its header does not end").hint(DAMAGED));
            }
            for card in block.chunks_exact(CARD_BYTES) {
                if card.trim_ascii_end() == b"END" {
                    let data_at = at + length as u64;
                    let header = Self { cards, data_at, next_at: data_at };
                    return header.with_end().map(Some);
                }
                add(&mut cards, &mut text, card);
            }
        }
    }

    fn with_end(mut self) -> Result<Self> {
        let bytes = self.data_bytes().and_then(|n| n.checked_next_multiple_of(BLOCK_BYTES as u64));
        let end = bytes.and_then(|n| n.checked_add(self.data_at)).filter(|end| i64::try_from(*end).is_ok());
        self.next_at = end.ok_or_else(|| bad("its header claims more bytes than there can be").hint(DAMAGED))?;
        Ok(self)
    }

    /// Size of the data in bytes (section 4.4.1.1 and, with groups and heap, 7.1.1).
    fn data_bytes(&self) -> Option<u64> {
        let dimensions = self.count("NAXIS").unwrap_or(0).min(999);
        if dimensions == 0 {
            return Some(0);
        }
        let of_groups = self.count("NAXIS1") == Some(0) && self.logical("GROUPS");
        let axis = |i| self.count(&format!("NAXIS{i}")).unwrap_or(0);
        let elements = (if of_groups { 2 } else { 1 }..=dimensions).try_fold(1u64, |n, i| n.checked_mul(axis(i)))?;
        let elements = elements.checked_add(self.count("PCOUNT").unwrap_or(0))?;
        let width = self.integer("BITPIX").unwrap_or(8).unsigned_abs() / 8;
        elements.checked_mul(self.count("GCOUNT").unwrap_or(1))?.checked_mul(width)
    }

    /// Returns the text of a card; `None` if it is not text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.cards.get(key)? {
            Value::Text(text) => Some(text.trim().to_owned()).filter(|s| !s.is_empty()),
            _ => None,
        }
    }

    pub(super) fn integer(&self, key: &str) -> Option<i64> {
        match self.cards.get(key)? {
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the integer of a card if it is not negative.
    pub(super) fn count(&self, key: &str) -> Option<u64> {
        u64::try_from(self.integer(key)?).ok()
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.cards.get(key)? {
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn logical(&self, key: &str) -> bool {
        self.cards.get(key) == Some(&Value::Logical(true))
    }
}

pub(super) const DAMAGED: &str = "the file is truncated or damaged: fetch it again";

/// Adds a card's value; `text` is the key of the string that the next card may continue.
fn add(cards: &mut HashMap<String, Value>, text: &mut Option<String>, card: &[u8]) {
    let (key, rest) = card.split_at(8);
    let key = String::from_utf8_lossy(key).trim_end().to_owned();
    let rest = String::from_utf8_lossy(rest).into_owned();
    if key == "CONTINUE" {
        if let (Some(Value::Text(begun)), Some(Value::Text(more))) =
            (text.as_ref().and_then(|key| cards.get_mut(key)), value(&rest))
            && begun.ends_with('&')
        {
            begun.pop();
            begun.push_str(&more);
        }
        return;
    }
    let value = rest.strip_prefix("= ").and_then(value);
    *text = matches!(value, Some(Value::Text(_))).then(|| key.clone());
    if let Some(value) = value {
        cards.insert(key, value);
    }
}

fn value(field: &str) -> Option<Value> {
    let field = field.trim_start();
    if let Some(quoted) = field.strip_prefix('\'') {
        let mut text = String::new();
        let mut characters = quoted.chars().peekable();
        while let Some(c) = characters.next() {
            if c == '\'' && characters.next_if_eq(&'\'').is_none() {
                return Some(Value::Text(text.trim_end().to_owned()));
            }
            text.push(c);
        }
        return Some(Value::Text(text.trim_end().to_owned()));
    }
    let word = field.split('/').next().unwrap_or_default().trim();
    match word {
        "T" => Some(Value::Logical(true)),
        "F" => Some(Value::Logical(false)),
        _ => {
            let float = || word.replace(['D', 'd'], "E").parse().ok().map(Value::Float);
            word.parse().ok().map(Value::Integer).or_else(float)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_the_standard_writes_them() {
        let of = |field: &str| value(field);
        assert_eq!(of("'O''Neill  '           / who"), Some(Value::Text("O'Neill".to_owned())));
        assert_eq!(of("                   T / yes"), Some(Value::Logical(true)));
        assert_eq!(of("  9223372036854775808"), Some(Value::Float(9_223_372_036_854_775_808.0)));
        assert_eq!(of("  -1.5D+2 / number"), Some(Value::Float(-150.0)));
        assert_eq!(of("                     "), None);
        let mut cards = HashMap::new();
        let mut text = None;
        for card in ["TCOMM1  = 'a long &'", "CONTINUE  'text'", "COMMENT no value"] {
            add(&mut cards, &mut text, format!("{card:<80}").as_bytes());
        }
        assert_eq!(cards, HashMap::from([("TCOMM1".to_owned(), Value::Text("a long text".to_owned()))]));
    }
}
