//! Files that may be compressed with gzip, bzip2, Zstandard or xz, which are recognised by their first bytes.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Result, Seek, SeekFrom, Write},
};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::{bufread::XzDecoder, stream};

const COMPRESSED_BYTES: usize = 1 << 20;
const TEXT_BYTES: usize = 1 << 18;
/// Maximum memory that an xz file may request; its highest level needs 65 MiB.
const DICTIONARY_BYTES: u64 = 256 << 20;

/// The compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Gzip,
    Bzip2,
    Zstandard,
    Xz,
}

/// Endings of the names of compressed files.
pub const COMPRESSED: [&str; 6] = [".gz", ".gzip", ".bz2", ".zst", ".zstd", ".xz"];

impl Compression {
    const MAGIC: [(&[u8], Self); 4] = [
        (&[0x1f, 0x8b], Self::Gzip),
        (b"BZh", Self::Bzip2),
        (&[0x28, 0xb5, 0x2f, 0xfd], Self::Zstandard),
        (&[0xfd, b'7', b'z', b'X', b'Z', 0], Self::Xz),
    ];

    fn of(begin: &[u8]) -> Option<Self> {
        Self::MAGIC.into_iter().find(|(magic, _)| begin.starts_with(magic)).map(|(_, compression)| compression)
    }

    /// Decompresses bytes, which may have one or several members.
    fn inflate(self, bytes: impl BufRead + Send + 'static) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(bytes)),
            Self::Bzip2 => Box::new(MultiBzDecoder::new(bytes)),
            Self::Zstandard => Box::new(zstd::Decoder::with_buffer(bytes)?),
            Self::Xz => {
                let members = stream::Stream::new_stream_decoder(DICTIONARY_BYTES, stream::CONCATENATED)?;
                Box::new(XzDecoder::new_stream(bytes, members))
            }
        })
    }
}

/// Returns the bytes as they are, or inflated if they begin like a compressed file.
///
/// # Errors
/// If they cannot be read.
pub fn inflated(bytes: impl Read + Send + 'static) -> Result<Box<dyn BufRead + Send>> {
    let mut bytes = BufReader::with_capacity(COMPRESSED_BYTES, bytes);
    match Compression::of(bytes.fill_buf()?) {
        None => Ok(Box::new(bytes)),
        Some(compression) => Ok(Box::new(BufReader::with_capacity(TEXT_BYTES, compression.inflate(bytes)?))),
    }
}

/// Bytes that can be read from any position.
pub trait ReadSeek: Read + Seek + Send + std::fmt::Debug {}
impl<T: Read + Seek + Send + std::fmt::Debug> ReadSeek for T {}

/// Like [`inflated`], for a file that can be read from any position. The inflated part of a compressed file is stored
/// in a file without a name, as far as it has been read.
pub(super) fn inflated_file(mut bytes: Box<dyn ReadSeek>) -> Result<Box<dyn ReadSeek>> {
    let begin = beginning(bytes.as_mut(), 8)?;
    let Some(compression) = Compression::of(&begin) else { return Ok(bytes) };
    let source = compression.inflate(BufReader::with_capacity(COMPRESSED_BYTES, bytes))?;
    Ok(Box::new(Inflated { source, file: tempfile::tempfile()?, length: 0, at: 0 }))
}

/// Returns the first bytes of a file and rewinds it to its beginning.
pub(super) fn beginning(bytes: &mut dyn ReadSeek, length: u64) -> Result<Vec<u8>> {
    let mut start = Vec::new();
    bytes.take(length).read_to_end(&mut start)?;
    bytes.seek(SeekFrom::Start(0))?;
    Ok(start)
}

struct Inflated {
    source: Box<dyn Read + Send>,
    file: File,
    /// Number of bytes in the file.
    length: u64,
    at: u64,
}

impl std::fmt::Debug for Inflated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflated").field("length", &self.length).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Inflated {
    /// Inflates up to `end`, or to the end of the file if that comes first.
    fn fill(&mut self, end: u64) -> Result<()> {
        if self.length < end {
            self.file.seek(SeekFrom::Start(self.length))?;
            self.length += std::io::copy(&mut self.source.by_ref().take(end - self.length), &mut self.file)?;
            self.file.flush()?;
        }
        Ok(())
    }
}

impl Read for Inflated {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        self.fill(self.at.saturating_add(out.len() as u64))?;
        self.file.seek(SeekFrom::Start(self.at))?;
        let read = self.file.read(out)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Inflated {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                self.fill(u64::MAX)?;
                self.length.checked_add_signed(by)
            }
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn compressed(text: &[u8]) -> [Vec<u8>; 4] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bzip2.write_all(text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        let zstandard = zstd::encode_all(text, 1).unwrap();
        [gzip.finish().unwrap(), bzip2.finish().unwrap(), zstandard, xz.finish().unwrap()]
    }

    #[test]
    fn every_compression_gives_the_same_bytes_of_one_member_or_two() {
        for bytes in compressed(b"two halves, ") {
            let twice = [bytes.clone(), bytes].concat();
            let mut whole = String::new();
            inflated(Cursor::new(twice.clone())).unwrap().read_to_string(&mut whole).unwrap();
            assert_eq!(whole, "two halves, two halves, ");
            let mut file = inflated_file(Box::new(Cursor::new(twice))).unwrap();
            let mut read = |at: SeekFrom| {
                let mut part = [0; 5];
                file.seek(at).unwrap();
                file.read_exact(&mut part).map(|()| String::from_utf8(part.to_vec()).unwrap())
            };
            assert_eq!(read(SeekFrom::Start(12)).unwrap(), "two h");
            assert_eq!(read(SeekFrom::Start(4)).unwrap(), "halve");
            assert_eq!(read(SeekFrom::End(-5)).unwrap(), "ves, ");
            assert!(read(SeekFrom::End(-3)).is_err());
        }
    }

    #[test]
    fn what_is_not_compressed_is_read_as_it_is() {
        let mut text = String::new();
        inflated(Cursor::new(b"a,b\n".to_vec())).unwrap().read_to_string(&mut text).unwrap();
        inflated_file(Box::new(Cursor::new(b"SIMPLE".to_vec()))).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "a,b\nSIMPLE");
    }
}
