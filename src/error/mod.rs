//! One error type for the whole crate: what kind, what happened, where, and what to do about it.

mod convert;
mod transient;
mod types;

pub use transient::is_transient;
pub use types::{Error, ErrorKind, Result};
