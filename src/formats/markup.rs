//! Recognises web pages in place of tables: a server's login or error page is often saved under the name of the
//! requested file.

use lamcat_core::error::{Error, ErrorKind, Result};

/// Number of bytes that are examined.
const LOOK: usize = 2048;
/// The possible beginnings of a web page, in lower case.
const PAGE: [&[u8]; 5] = [b"<!doctype html", b"<html", b"<head", b"<body", b"<script"];

/// Refuses a web page, which is recognised by its beginning.
///
/// # Errors
/// If it is a web page.
pub fn refuse_web_page(start: &[u8]) -> Result<()> {
    if !is_web_page(start) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Input, "the file is a web page, not a table").hint(
        "a server's page, as of a login or an error, was saved in its place: look at it, and fetch the file again",
    ))
}

/// Refuses a web page or other XML text where lines of values are expected.
///
/// # Errors
/// If it is one of them.
pub(super) fn refuse_markup(start: &[u8]) -> Result<()> {
    refuse_web_page(start)?;
    let text = text(start);
    if !(text.starts_with(b"<?xml") || text.starts_with(b"<Error>") || text.starts_with(b"<VOTABLE")) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Input, "the file is XML, not lines of values")
        .hint("a VOTable is read where its name ends in .vot or .xml; a server's error is to be fetched again"))
}

/// Returns the bytes after a byte-order mark and blanks.
fn text(start: &[u8]) -> &[u8] {
    start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start()
}

fn is_web_page(start: &[u8]) -> bool {
    let text = text(start);
    if !text.starts_with(b"<") {
        return false;
    }
    let look = text[..text.len().min(LOOK)].to_ascii_lowercase();
    // Comments and declarations may come first.
    let says = |mark: &[u8]| memchr::memmem::find(&look, mark).is_some();
    PAGE.iter().any(|mark| look.starts_with(mark)) || says(PAGE[0]) || says(PAGE[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_tables() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\n  <!doctype HTML>",
            "<HTML lang=en>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC>",
            "<!-- saved -->\n<html>",
            "<script>location='/login'</script>",
        ] {
            assert!(refuse_web_page(page.as_bytes()).unwrap_err().to_string().contains("web page"), "{page}");
            assert!(refuse_markup(page.as_bytes()).is_err(), "{page}");
        }
        for error in ["<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "<VOTABLE version=\"1.4\">"] {
            assert!(refuse_web_page(error.as_bytes()).is_ok() && refuse_markup(error.as_bytes()).is_err(), "{error}");
        }
        for table in ["source_id,x\n1,2\n", "# %ECSV 1.0\n", "", "<5,>6\n1,2\n", "name\n<html>\n"] {
            assert!(refuse_markup(table.as_bytes()).is_ok(), "{table}");
        }
    }
}
