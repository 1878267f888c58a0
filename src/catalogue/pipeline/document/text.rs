//! The text of a pipeline file, and the positions of errors in it.

use std::{ops::Range, path::Path};

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::nearest,
};
use toml::de::{DeTable, DeValue};

use super::spec::PipelineFile;

/// The text of a pipeline file.
pub(super) struct Document<'a> {
    file: &'a Path,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text }
    }

    /// Parses the file without resolving it.
    pub(super) fn read(&self) -> Result<PipelineFile> {
        toml::from_str(self.text).map_err(|e| self.unreadable(&e))
    }

    /// An error at a key such as `gates.min_rows`, or at the deepest part of that key that exists in the file.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> Error {
        self.place(self.locate(key), Some(key), message.into())
    }

    fn place(&self, at: Option<usize>, key: Option<&str>, message: String) -> Error {
        let mut error = Error::new(ErrorKind::Config, message).at("file", self.file.display());
        if let Some(before) = at.and_then(|at| self.text.get(..at)) {
            let line_start = before.rfind('\n').map_or(0, |i| i + 1);
            error = error.at("line", before.matches('\n').count() + 1);
            error = error.at("column", before[line_start..].chars().count() + 1);
        }
        match key {
            Some(key) => error.at("key", key),
            None => error,
        }
    }

    fn unreadable(&self, e: &toml::de::Error) -> Error {
        let at = e.span().map(|span| span.start);
        let key = e.span().and_then(|span| self.key_at(&span));
        let words: Vec<&str> = e.message().split('`').skip(1).step_by(2).collect();
        let message = e.message().trim().replace('\n', ", ");
        if let Some(rest) = message.strip_prefix("unknown field ")
            && let Some((unknown, known)) = words.split_first()
        {
            let error = self.place(at, key.as_deref(), format!("unknown key {}", quoted(rest)));
            let near = nearest(unknown, known).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
            return error.hint(format!("{near}known keys: {}", known.join(", ")));
        }
        if let (Some("missing field"), [missing]) = (message.get(..13), &words[..]) {
            // A missing top-level key has no position, so the error points at the start of the text.
            let at = at.filter(|at| *at > 0);
            let table = key.filter(|_| at.is_some()).map_or_else(String::new, |key| format!("{key}."));
            return self.place(at, None, format!("the key {table}{missing} is missing")).hint(
                "`lamcat pipeline schema` prints the JSON Schema of the format, with what every key means; \
                 pipelines/demo.toml is an example",
            );
        }
        self.place(at, key.as_deref(), message)
    }

    /// The position of a key, or of a value that is an element of a list.
    fn locate(&self, key: &str) -> Option<usize> {
        let table = DeTable::parse(self.text).ok()?;
        let mut found = None;
        let mut table = Some(table.get_ref());
        for part in key.split('.') {
            let Some((name, value)) = table.and_then(|t| t.iter().find(|(name, _)| name.get_ref() == part)) else {
                break;
            };
            found = Some(name.span().start);
            table = value.get_ref().as_table();
        }
        found
    }

    /// The innermost key whose name or value contains the position.
    fn key_at(&self, span: &Range<usize>) -> Option<String> {
        let table = DeTable::parse(self.text).ok()?;
        key_in(table.get_ref(), span)
    }
}

fn key_in(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    for (name, value) in table {
        let inner = match value.get_ref() {
            DeValue::Table(table) => key_in(table, span),
            _ => None,
        };
        if let Some(inner) = inner {
            return Some(format!("{}.{inner}", name.get_ref()));
        }
        let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
        if within(name.span()) || within(value.span()) {
            return Some(name.get_ref().to_string());
        }
    }
    None
}

/// Replaces the backticks around the first quoted word of a message by the quotes that lamcat uses elsewhere.
fn quoted(text: &str) -> String {
    format!("'{}'", text.split('`').nth(1).unwrap_or_default())
}
