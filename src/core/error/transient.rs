//! Recognises failures that may be temporary.

use std::{error::Error as StdError, io, iter, sync::Arc};

use object_store::client::HttpError;
use tokio::task::JoinError;

/// Whether a failed request to a store may succeed if it is sent again.
#[must_use]
pub fn is_transient(e: &object_store::Error) -> bool {
    match e {
        object_store::Error::Generic { source, .. } => cause_is_transient(source.as_ref()),
        // S3 reports this for concurrent writes, of which possibly none succeeded.
        object_store::Error::AlreadyExists { source, .. } => source.to_string().contains("ConditionalRequestConflict"),
        _ => false,
    }
}

/// Iterates over an error, its cause, and so on, including the errors wrapped in I/O errors, which are not their
/// causes.
pub(super) fn chain<'a>(e: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(e), |e| cause(*e))
}

fn cause<'a>(e: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // XML readers share their errors.
    if let Some(shared) = e.downcast_ref::<Arc<io::Error>>() {
        return Some(shared.as_ref());
    }
    match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => Some(held),
        None => e.source(),
    }
}

/// Whether a retry after `e` may help, if `e` itself is a library error that tells; its causes are not examined.
pub(super) fn retryable(e: &(dyn StdError + 'static)) -> Option<bool> {
    if let Some(store) = e.downcast_ref::<object_store::Error>() {
        return Some(is_transient(store));
    }
    if e.is::<HttpError>() || e.downcast_ref::<io::Error>().is_some_and(|io| kind_is_transient(io.kind())) {
        return Some(true);
    }
    e.is::<JoinError>().then_some(false)
}

/// Whether the error of a store's client is transient. The client distinguishes most of its errors only by their texts.
fn cause_is_transient(cause: &(dyn StdError + 'static)) -> bool {
    let text = cause.to_string();
    if let Some(status) = status(&text) {
        return matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 506..=599);
    }
    // Responses that claim success but report an error, and responses that were cut short.
    let garbled = ["Server returned error response", "Got invalid", "(code: InternalError)", "(code: SlowDown)"];
    garbled.iter().any(|words| text.contains(words)) || chain(cause).find_map(retryable).unwrap_or(false)
}

/// Returns the HTTP status in an error's text.
fn status(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

fn kind_is_transient(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        kind,
        Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::TimedOut
            | Kind::Interrupted
            | Kind::ResourceBusy
            | Kind::StaleNetworkFileHandle
    )
}

#[cfg(test)]
mod tests {
    use arrow::error::ArrowError;
    use datafusion::{error::DataFusionError, parquet::errors::ParquetError};
    use object_store::client::HttpErrorKind;

    use super::*;
    use crate::error::{Error, ErrorKind};

    fn store(source: impl Into<Box<dyn StdError + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: source.into() }
    }

    fn busy() -> object_store::Error {
        store("Error performing GET http://h/b/x in 1ms - Server returned non-2xx status code: 503 Slow: down")
    }

    #[test]
    fn what_a_store_says_is_transient_or_is_not() {
        let words = |status: &str| store(format!("Server returned non-2xx status code: {status}: text"));
        for status in ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests", "408 Timeout"] {
            assert!(is_transient(&words(status)), "{status}");
        }
        for status in ["400 Bad Request", "416 Range Not Satisfiable", "501 Not Implemented", "301 Moved"] {
            assert!(!is_transient(&words(status)), "{status}");
        }
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(is_transient(&store(HttpError::new(HttpErrorKind::Unknown, reset))));
        // The client's own error has the actual failure as its cause.
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(is_transient(&store(io::Error::other(HttpError::new(HttpErrorKind::Unknown, reset)))));
        assert!(is_transient(&store("Got invalid list response: syntax error")));
        assert!(!is_transient(&store("the configuration is wrong")));
        let source = || "…".into();
        let exists = |source| object_store::Error::AlreadyExists { path: "x".to_owned(), source };
        assert!(!is_transient(&exists(source())));
        assert!(is_transient(&exists("409: <Code>ConditionalRequestConflict</Code>".into())));
        assert!(!is_transient(&object_store::Error::NotFound { path: "x".to_owned(), source: source() }));
    }

    #[test]
    fn whether_a_retry_helps_is_kept_through_all_that_wraps_an_error() {
        let wraps: [fn(object_store::Error) -> DataFusionError; 8] = [
            |e| DataFusionError::ObjectStore(Box::new(e)),
            |e| DataFusionError::Shared(Arc::new(DataFusionError::ObjectStore(Box::new(e)))),
            |e| DataFusionError::External(Box::new(e)).context("while reading"),
            |e| ParquetError::External(Box::new(e)).into(),
            |e| ArrowError::ExternalError(Box::new(DataFusionError::ObjectStore(Box::new(e)))).into(),
            |e| DataFusionError::IoError(io::Error::other(DataFusionError::ObjectStore(Box::new(e)))),
            |e| Error::new(ErrorKind::Plan, "no table").source(e).into(),
            |e| ParquetError::External(Box::new(io::Error::other(e))).into(),
        ];
        for (i, wrap) in wraps.iter().enumerate() {
            let error = Error::from_datafusion("a unit cannot be computed", &wrap(busy()));
            assert!(error.is_retryable(), "{i}: {error}");
            assert!(error.to_string().starts_with("a unit cannot be computed: "), "{error}");
            assert!(Error::new(ErrorKind::Input, "again").source(error).is_retryable(), "{i}");
            let gone = object_store::Error::NotFound { path: "x".to_owned(), source: "…".into() };
            assert!(!Error::from_datafusion("a unit cannot be computed", &wrap(gone)).is_retryable(), "{i}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_no_matter_of_the_store() {
        let task = datafusion::common::runtime::SpawnedTask::spawn(async { panic!("as planned") });
        let e = DataFusionError::ExecutionJoin(Box::new(task.join().await.unwrap_err()));
        let error = Error::from_datafusion("a query failed", &e);
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Internal, false));
    }
}
