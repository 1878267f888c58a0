//! The names of things: tokens and their normalisation, and the catalogue's columns. No I/O.

mod column;
mod vocabulary;

pub use column::{ColumnMeta, ERROR_SUFFIX, column_meta};
pub use vocabulary::{PADDING, Token, TokenId, Vocabulary, XpBand};
