//! One error type for the whole crate: what kind, what happened, where, and what to do about it.

mod convert;
mod types;

pub use types::{Error, ErrorKind, Result};
