//! From the libraries' errors and to DataFusion's.

use datafusion::error::DataFusionError;

use super::types::{Error, ErrorKind};

impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        Self::new(ErrorKind::Device, "tensor operation failed").source(e)
    }
}

impl From<Error> for DataFusionError {
    fn from(e: Error) -> Self {
        match e.kind() {
            ErrorKind::Plan => Self::Plan(e.to_string()),
            ErrorKind::Config => Self::Configuration(e.to_string()),
            kind => Self::Context(format!("lamcat {} error", kind.label()), Box::new(Self::External(Box::new(e)))),
        }
    }
}
