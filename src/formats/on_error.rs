//! The treatment of malformed values.

use std::str::FromStr;

use lamcat_core::error::{Error, ErrorKind};

/// The treatment of values that do not have their column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The query fails and names the place.
    #[default]
    Fail,
    /// They become NULL and are counted.
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
