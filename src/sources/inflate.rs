//! Files that may be compressed.

use std::io::{BufRead, BufReader, Read, Result};

use flate2::bufread::MultiGzDecoder;

const COMPRESSED_BYTES: usize = 1 << 20;
const TEXT_BYTES: usize = 1 << 18;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The bytes as they are, or inflated if they begin as gzip does, of one or several members.
pub(super) fn inflated(bytes: impl Read + Send + 'static) -> Result<Box<dyn BufRead + Send>> {
    let mut bytes = BufReader::with_capacity(COMPRESSED_BYTES, bytes);
    if !bytes.fill_buf()?.starts_with(&GZIP_MAGIC) {
        return Ok(Box::new(bytes));
    }
    Ok(Box::new(BufReader::with_capacity(TEXT_BYTES, MultiGzDecoder::new(bytes))))
}
