//! The names of things: tokens and their normalisation, the catalogue's columns, and Gaia's scales of brightness,
//! parallax and position. No I/O.

mod basis;
mod column;
mod gaia_bases;
mod gaia_columns;
pub mod healpix;
pub mod limits;
mod luminosity;
mod nearest;
mod parallax;
pub mod photometry;
mod ucd;
mod vocabulary;

pub use basis::{Basis, Block};
pub use column::{ColumnMeta, Described, ERROR_SUFFIX, column_meta};
pub use gaia_bases::{BASIS_HINT, OTHER_BAND, check_length};
pub use gaia_columns::{GaiaColumn, gaia_column};
pub use luminosity::{absmag, fakemag, fakemag_error};
pub(crate) use nearest::nearest;
pub use parallax::parallax_zero_point;
pub use photometry::g_flux;
pub use ucd::check_ucd;
pub use vocabulary::{PADDING, Token, TokenId, Vocabulary};
