//! What becomes of malformed values.

use std::str::FromStr;

use lamcat_core::error::{Error, ErrorKind};

/// What becomes of values that are not of their column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The query fails and says where.
    #[default]
    Fail,
    /// They are NULL, and counted.
    Null,
}

impl FromStr for OnError {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "fail" => Ok(Self::Fail),
            "null" => Ok(Self::Null),
            other => Err(Error::new(ErrorKind::Config, format!("on_error cannot be '{other}'"))
                .hint("'fail' stops at the first malformed value; 'null' makes them NULL and counts them")),
        }
    }
}
