//! The names of things: tokens and their normalisation, and the catalogue's columns. No I/O.

mod column;
mod gaia_columns;
mod photometry;
mod vocabulary;

pub use column::{ColumnMeta, ERROR_SUFFIX, column_meta};
pub use gaia_columns::{GaiaColumn, gaia_column};
pub use photometry::g_flux;
pub(crate) use vocabulary::nearest;
pub use vocabulary::{PADDING, Token, TokenId, Vocabulary, XpBand};
