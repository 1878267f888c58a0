//! Reads files in the formats of astronomy as Arrow tables.

mod archive;
mod arrow_file;
mod big_endian;
mod bundle;
mod cells;
mod choice;
pub mod ecsv;
mod encoding;
mod fits;
mod fold;
mod inflate;
mod json;
mod markup;
mod merge;
mod on_error;
mod parquet;
mod remark;
mod text;
mod votable;

pub use archive::{ArchiveFileFormat, ArchiveFormat, ArchiveScan, MALFORMED, display_path, file_bytes};
pub use arrow_file::ArrowTable;
pub use bundle::{Bundle, Member};
pub use choice::TableChoice;
pub use fits::FitsTable;
pub use fold::Fold;
pub use inflate::{COMPRESSED, ReadSeek, inflated};
pub use markup::refuse_web_page;
pub use merge::{FileColumns, check_unique, merged};
pub use on_error::OnError;
pub use parquet::{CarefulParquet, CarefulParquetFactory, careful_scan, is_parquet, plain_scan};
pub use remark::remark;
pub use text::read_text;
pub use votable::VoTable;
