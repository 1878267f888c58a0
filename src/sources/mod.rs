//! Files in the field's formats to Arrow tables.

mod archive;
mod big_endian;
mod cells;
pub mod ecsv;
mod fits;
mod fold;
mod inflate;
mod markup;
mod on_error;
mod sample;
mod votable;

pub use archive::{ArchiveFileFormat, ArchiveFormat, MALFORMED, display_path, is_archive_csv};
pub use fits::FitsTable;
pub use fold::Fold;
pub use on_error::OnError;
pub use sample::sample;
pub use votable::VoTable;
