//! Definitions of names: tokens and their normalisation, bases of spectra, units and UCDs of columns, and the scales of
//! brightness and position. No I/O.

mod basis;
mod column;
pub mod healpix;
pub mod limits;
mod luminosity;
mod nearest;
mod ucd;
mod vocabulary;

pub use basis::{Basis, Block};
pub use column::{ColumnMeta, Described, ERROR_SUFFIX, column_meta};
pub use luminosity::{absmag, fakemag, fakemag_error};
pub use nearest::nearest;
pub use ucd::check_ucd;
pub use vocabulary::{PADDING, Token, TokenId, Vocabulary};
