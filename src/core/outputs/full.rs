//! Full disks.

use std::{
    error::Error as StdError,
    fmt::Display,
    io::{self, ErrorKind as IoKind},
};

use crate::error::{Error, ErrorKind};

/// Whether an error was caused by a full disk or an exhausted disk quota.
#[must_use]
pub fn is_disk_full(error: &(dyn StdError + 'static)) -> bool {
    if let Some(own) = error.downcast_ref::<io::Error>() {
        if matches!(own.kind(), IoKind::StorageFull | IoKind::QuotaExceeded) {
            return true;
        }
        // `source` of such an error skips the error that it wraps and returns that error's source.
        if let Some(inner) = own.get_ref() {
            return is_disk_full(inner);
        }
    }
    error.source().is_some_and(is_disk_full)
}

/// Returns the error of an output that cannot be written: it names the file and says what to do if the disk is full.
pub fn cannot_write(file: impl Display, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let cause = cause.into();
    if is_disk_full(cause.as_ref()) {
        return Error::new(ErrorKind::Io, "the disk is full")
            .at("file", file)
            .source(cause)
            .hint("make room, or write to another disk; what was under this name before is as it was");
    }
    Error::new(ErrorKind::Io, "cannot write the file").at("file", file).source(cause)
}

#[cfg(test)]
mod tests {
    use datafusion::{error::DataFusionError, parquet::errors::ParquetError};

    use super::*;

    #[test]
    fn a_full_disk_is_found_below_the_errors_of_every_library() {
        let full = || io::Error::from(IoKind::StorageFull);
        let of_store = object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(full()) };
        assert!(is_disk_full(&full()));
        assert!(is_disk_full(&io::Error::from(of_store)));
        assert!(is_disk_full(&ParquetError::External(Box::new(full()))));
        assert!(is_disk_full(&DataFusionError::External(Box::new(io::Error::other(full())))));
        assert!(is_disk_full(&DataFusionError::IoError(full()).context("while spilling")));
        assert!(!is_disk_full(&io::Error::other("No space left in the queue")));
        let text = cannot_write("a.parquet", full()).to_string();
        assert!(text.starts_with("the disk is full (file a.parquet)") && text.contains("\nhint: "), "{text}");
    }
}
