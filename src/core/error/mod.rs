//! One error type for the whole crate: its kind, what happened, where, and what to do about it.

mod convert;
mod secrets;
mod transient;
mod types;

pub use secrets::{is_query, remember_secret, shown_url, without_secrets};
pub use transient::is_transient;
pub use types::{Error, ErrorKind, Result};
