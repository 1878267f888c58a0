//! Conversions from the errors of libraries, and to DataFusion's errors.

use datafusion::error::DataFusionError;

use super::{
    transient::chain,
    types::{Error, ErrorKind},
};

impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        Self::new(ErrorKind::Device, "tensor operation failed").source(e)
    }
}

impl From<Error> for DataFusionError {
    fn from(e: Error) -> Self {
        match e.kind() {
            // An error that becomes a text no longer says whether a retry can help.
            ErrorKind::Plan if !e.is_retryable() => Self::Plan(e.to_string()),
            ErrorKind::Config if !e.is_retryable() => Self::Configuration(e.to_string()),
            kind => Self::Context(format!("lamcat {} error", kind.label()), Box::new(Self::External(Box::new(e)))),
        }
    }
}

impl Error {
    /// Makes the error of a failed query from `message` and its cause. If the cause contains an error of ours, the
    /// result has its kind; a retry can help if our own error or the store's says so.
    pub fn from_datafusion(message: impl Into<String>, e: &DataFusionError) -> Self {
        match chain(e).find_map(|e| e.downcast_ref::<Self>()) {
            Some(own) => Self::new(own.kind(), message).source(own.to_string()).retryable(own.is_retryable()),
            None => Self::of_engine(message, e),
        }
    }

    fn of_engine(message: impl Into<String>, e: &DataFusionError) -> Self {
        let retryable = super::types::retryable(e).unwrap_or(false);
        let text = e.strip_backtrace();
        let text = text.strip_prefix("Error during planning: ").unwrap_or(&text);
        Self::new(kind(e), message).source(text).retryable(retryable)
    }
}

/// The kind of an error from the engine.
fn kind(e: &DataFusionError) -> ErrorKind {
    match e.find_root() {
        DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => ErrorKind::Io,
        DataFusionError::Plan(_)
        | DataFusionError::SQL(..)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_) => ErrorKind::Plan,
        DataFusionError::Configuration(_) | DataFusionError::ResourcesExhausted(_) => ErrorKind::Config,
        DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => ErrorKind::Internal,
        _ if chain(e).any(<dyn std::error::Error>::is::<object_store::Error>) => ErrorKind::Io,
        _ => ErrorKind::Input,
    }
}
