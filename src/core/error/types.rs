//! One error type for the whole crate: its kind, what happened, where, and what to do about it.

use std::fmt;

use super::{
    secrets::without_secrets,
    transient::{self, chain},
};

/// The kind of an error. Whether a retry can help is independent of it: see [`Error::is_retryable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A model file or checkpoint cannot be used.
    Model,
    /// A SQL call names something that does not exist or has the wrong shape.
    Plan,
    /// Input data cannot be read or does not have the promised shape.
    Input,
    /// The inference device failed.
    Device,
    /// A setting or an argument is wrong.
    Config,
    /// A file or an object store could not be read or written.
    Io,
    /// The work is out of date: something newer has been done meanwhile.
    Superseded,
    /// A bug in lamcat or in a library that it uses: a panic, or a state that should be impossible.
    Internal,
}

impl ErrorKind {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Plan => "plan",
            Self::Input => "input",
            Self::Device => "device",
            Self::Config => "config",
            Self::Io => "io",
            Self::Superseded => "superseded",
            Self::Internal => "internal",
        }
    }
}

/// An error with its kind, the place it concerns, its cause and a hint.
///
/// `Display` prints the message, then the place in parentheses, then the cause, then the hint on a line of its own.
/// Causes are texts of libraries, so secrets are removed from the whole output.
pub struct Error {
    kind: ErrorKind,
    message: String,
    place: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    retryable: bool,
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns a new error of `kind` with a one-line message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), place: Vec::new(), hint: None, source: None, retryable: false }
    }

    /// Adds the place where it happened, e.g. `("file", path)`, `("row group", 3)`, `("column", name)`.
    #[must_use]
    pub fn at(mut self, what: &'static str, value: impl fmt::Display) -> Self {
        self.place.push((what, value.to_string()));
        self
    }

    /// Adds the wider place where it happened in front of the others, unless it is known already.
    #[must_use]
    pub fn within(mut self, what: &'static str, value: impl fmt::Display) -> Self {
        if self.place.iter().all(|(known, _)| *known != what) {
            self.place.insert(0, (what, value.to_string()));
        }
        self
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a second hint after the existing one.
    #[must_use]
    pub fn another_hint(self, hint: &str) -> Self {
        let hints = self.hint.as_ref().map_or_else(|| hint.to_owned(), |first| format!("{first}; {hint}"));
        self.hint(hints)
    }

    /// Adds the underlying cause. If it is an error of a store, of the system or of lamcat, it decides whether a retry
    /// can help.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source = source.into();
        self.retryable = retryable(source.as_ref()).unwrap_or(self.retryable);
        self.source = Some(source);
        self
    }

    /// Adds the text of a cause that cannot be moved here; it decides whether a retry can help as in [`Error::source`].
    #[must_use]
    pub fn source_of(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        self.retryable = retryable(cause).unwrap_or(self.retryable);
        self.source(cause.to_string())
    }

    /// Sets whether a retry may help; not needed if the error given to [`Error::source`] tells.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// Whether a retry may help, because a store did not answer or reported that it is busy.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Whether a retry after `e` may help, according to the first error in its chain that tells.
pub(super) fn retryable(e: &(dyn std::error::Error + 'static)) -> Option<bool> {
    chain(e).find_map(|e| match e.downcast_ref::<Error>() {
        Some(own) => Some(own.is_retryable()),
        None => transient::retryable(e),
    })
}

impl Error {
    fn in_words(&self) -> Result<String, fmt::Error> {
        use fmt::Write;

        let mut words = self.message.clone();
        for (i, (what, value)) in self.place.iter().enumerate() {
            let open = if i == 0 { " (" } else { ", " };
            write!(words, "{open}{what} {value}")?;
        }
        if !self.place.is_empty() {
            words.push(')');
        }
        if let Some(source) = &self.source {
            write!(words, ": {source}")?;
        }
        if let Some(hint) = &self.hint {
            write!(words, "\nhint: {hint}")?;
        }
        Ok(words)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.in_words()?))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error: {self}", self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_place_cause_and_hint() {
        let e = Error::new(ErrorKind::Input, "cannot read coefficients")
            .at("file", "a.parquet")
            .at("column", "bp")
            .source("short read")
            .hint("check the file");
        assert_eq!(
            e.to_string(),
            "cannot read coefficients (file a.parquet, column bp): short read\nhint: check the file"
        );
    }
}
