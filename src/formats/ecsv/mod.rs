//! Reads ECSV and the Gaia archive's CSV, plain or gzip, as Arrow batches.
//!
//! The text is split into chunks of complete records ([`Chunks`]), which are parsed one by one or in parallel
//! ([`RecordParser`]): memory use is that of some chunks, whatever the file's length. A column that is not requested is
//! skipped and never parsed.

mod chunks;
mod header;
mod infer;
mod records;
mod scan;
mod yaml;

use std::io::Read;

pub use chunks::{Chunk, Chunks};
pub use header::Header;
pub use infer::infer_schema;
pub(super) use infer::{open_schema, settled};
pub use records::{Parsed, RecordParser};

use lamcat_core::error::Result;

/// Begins to read a table: returns its header and its remaining records.
///
/// # Errors
/// If the header cannot be read.
pub fn open(bytes: impl Read + Send + 'static) -> Result<(Header, Chunks)> {
    let mut chunks = Chunks::new(bytes)?;
    let header = Header::read(&mut chunks)?;
    Ok((header, chunks))
}
