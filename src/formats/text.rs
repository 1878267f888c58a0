//! Small text files: SQL, pipelines, settings.

use std::{
    io::{Error, ErrorKind, Result},
    path::Path,
};

use encoding_rs::{Encoding, UTF_8};

/// Returns the text of a file, in UTF-8 or the encoding given by its byte-order mark, without the mark.
///
/// # Errors
/// If the file cannot be read, or is not text.
pub fn read_text(path: impl AsRef<Path>) -> Result<String> {
    let bytes = std::fs::read(path)?;
    let (encoding, mark) = Encoding::for_bom(&bytes).unwrap_or((UTF_8, 0));
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]);
    let not_text = || Error::new(ErrorKind::InvalidData, format!("it is not {} text", encoding.name()));
    text.map(std::borrow::Cow::into_owned).ok_or_else(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_the_byte_order_are_not_part_of_a_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q.sql");
        let utf16: Vec<u8> = "\u{feff}SELECT 'é'".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in ["SELECT 'é'".into(), "\u{feff}SELECT 'é'".into(), utf16] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path).unwrap(), "SELECT 'é'");
        }
        std::fs::write(&path, b"SELECT '\xe9'").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("not UTF-8 text"));
    }
}
