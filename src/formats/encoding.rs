//! Text in encodings other than UTF-8.

use std::io::{BufRead, BufReader, Read, Result};

use encoding_rs::{CoderResult, Decoder, Encoding};

/// Number of bytes within which an XML declaration ends.
const DECLARATION_BYTES: usize = 1024;

/// Converts the text of an XML document to UTF-8, from the encoding given by its byte-order mark or its declaration.
pub(super) fn decoded(mut text: Box<dyn BufRead + Send>) -> Result<Box<dyn BufRead + Send>> {
    let begin = text.fill_buf()?;
    let encoding = Encoding::for_bom(begin).map(|(encoding, _)| encoding).or_else(|| declared(begin));
    match encoding.filter(|e| *e != encoding_rs::UTF_8) {
        None => Ok(text),
        Some(encoding) => {
            let decoder = encoding.new_decoder();
            Ok(Box::new(BufReader::new(Decoded { text, decoder, ended: false })))
        }
    }
}

/// Returns the encoding named in `<?xml version="1.0" encoding="ISO-8859-1"?>`.
fn declared(begin: &[u8]) -> Option<&'static Encoding> {
    let begin = &begin[..begin.len().min(DECLARATION_BYTES)];
    let declaration = begin.trim_ascii_start().strip_prefix(b"<?xml")?;
    let declaration = &declaration[..memchr::memmem::find(declaration, b"?>")?];
    let at = memchr::memmem::find(declaration, b"encoding")?;
    let value = declaration[at + b"encoding".len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, value) = value.split_first()?;
    Encoding::for_label(&value[..memchr::memchr(*quote, value)?])
}

struct Decoded {
    text: Box<dyn BufRead + Send>,
    decoder: Decoder,
    ended: bool,
}

impl Read for Decoded {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        while !self.ended && !out.is_empty() {
            let bytes = self.text.fill_buf()?;
            let last = bytes.is_empty();
            let (result, used, written, _) = self.decoder.decode_to_utf8(bytes, out, last);
            self.text.consume(used);
            self.ended = last && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        decoded(Box::new(Cursor::new(bytes.to_vec()))).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_declared_encoding_is_heeded() {
        let latin = b"<?xml version='1.0' encoding = 'ISO-8859-1'?><a>M\xfcller</a>";
        assert!(read(latin).ends_with("<a>Müller</a>"));
        let utf16: Vec<u8> =
            "\u{feff}<?xml version='1.0'?><a>Müller</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(read(&utf16).ends_with("<a>Müller</a>"));
        assert_eq!(read("<a encoding='latin1'>Müller</a>".as_bytes()), "<a encoding='latin1'>Müller</a>");
    }
}
