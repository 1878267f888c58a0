//! Java properties files, as HATS uses them: the only reader and the only writer of them in this program.
//!
//! ```text
//! # a comment, or ! a comment
//! key=value            also `key: value` and `key value`
//! key=long \           a backslash at the end of a line joins the next one to it, without the blanks that begin that
//!     value
//! key=A. M\u00fcller   escapes: \uXXXX (UTF-16), \n, \r, \t, \f; any other escaped character stands for itself
//! ```
//!
//! The format is that of `java.util.Properties`. The crate java-properties is not used, because it refuses the pairs of
//! escapes in which Java writes characters beyond the first 65,536, such as emoji.

use std::fmt::Write;

/// Blanks that are allowed around a key.
const BLANKS: [char; 3] = [' ', '\t', '\u{c}'];

/// The text of a properties file with `pairs` in their order; pairs without a value are left out.
#[must_use]
pub fn text(pairs: &[(&str, String)]) -> String {
    let mut text = String::from("#HATS catalog\n");
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        for c in key.chars() {
            if " :=#!".contains(c) {
                text.push('\\');
            }
            escape(c, &mut text);
        }
        text.push('=');
        // Blanks at the start or the end of a value cannot be told from those around it.
        let inner = value.trim_start_matches(' ').trim_end_matches(' ');
        let begin = value.len() - value.trim_start_matches(' ').len();
        let end = value.len() - begin - inner.len();
        text.push_str(&"\\u0020".repeat(begin));
        inner.chars().for_each(|c| escape(c, &mut text));
        text.push_str(&"\\u0020".repeat(end));
        text.push('\n');
    }
    text
}

fn escape(c: char, text: &mut String) {
    match c {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        ' '..='~' => text.push(c),
        _ => {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
}

/// The pairs of a properties file in their order; if a key occurs more than once, its last value counts.
#[must_use]
pub fn parse(text: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for line in lines(text) {
        let (key, value) = split(&line);
        let (key, value) = (unescaped(key), unescaped(value));
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, earlier)) => *earlier = value,
            None => pairs.push((key, value)),
        }
    }
    pairs
}

/// The value of `key` in a properties file; `None` if the key is missing or its value is empty.
#[must_use]
pub fn value(text: &str, key: &str) -> Option<String> {
    let value = parse(text).into_iter().find(|(k, _)| k == key).map(|(_, value)| value);
    value.filter(|value| !value.is_empty())
}

/// The lines that contain a pair, joined where a line ends in a backslash.
fn lines(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut joined: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.split(['\n', '\r']) {
        let line = line.trim_start_matches(BLANKS);
        match joined.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(line),
            None if line.is_empty() || line.starts_with(['#', '!']) => continue,
            None => joined.push(line.to_owned()),
        }
        let Some(last) = joined.last_mut() else { continue };
        goes_on = ends_in_escape(last);
        if goes_on {
            last.pop();
        }
    }
    joined
}

/// Whether a text ends in a backslash that is not escaped itself.
fn ends_in_escape(text: &str) -> bool {
    (text.len() - text.trim_end_matches('\\').len()) % 2 == 1
}

/// The key and the value of a line, both still with their escapes.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || BLANKS.contains(&c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANKS);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANKS);
    let value = rest.trim_end_matches(BLANKS);
    // The blank after a backslash is part of the value.
    let value = if ends_in_escape(value) { rest.get(..=value.len()).unwrap_or(rest) } else { value };
    (key, value)
}

/// Resolves the escapes of a text. A `\u` without four hexadecimal digits is left unchanged.
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        units.extend(rest[..at].encode_utf16());
        let after = &rest[at + 1..];
        let Some(c) = after.chars().next() else { return String::from_utf16_lossy(&units) };
        let digits = after.get(1..5).filter(|digits| c == 'u' && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let mut used = c.len_utf8();
        match (c, digits.and_then(|digits| u16::from_str_radix(digits, 16).ok())) {
            (_, Some(unit)) => {
                units.push(unit);
                used = 5;
            }
            ('u', None) => units.extend("\\u".encode_utf16()),
            ('n', _) => units.push(u16::from(b'\n')),
            ('r', _) => units.push(u16::from(b'\r')),
            ('t', _) => units.push(u16::from(b'\t')),
            ('f', _) => units.push(0xc),
            (other, _) => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
        }
        rest = &after[used..];
    }
    units.extend(rest.encode_utf16());
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_not_ascii_is_escaped_and_read_back() {
        let text = text(&[("a", "Gaia π\\\n😀".to_owned()), ("b", String::new()), ("c", " 1 ".to_owned())]);
        assert_eq!(text, "#HATS catalog\na=Gaia \\u03c0\\\\\\n\\ud83d\\ude00\nc=\\u00201\\u0020\n");
        assert_eq!(parse(&text), pairs(&[("a", "Gaia π\\\n😀"), ("c", " 1 ")]));
    }

    #[test]
    fn every_form_that_java_reads_is_read() {
        let text = "\u{feff}# a comment = not a pair \\\n! another: one\r\n  a = 1  \nb:2\r\nc\t3\n\nlong=one, \\\n    two, \\\r\n\t#three\n\
                    d\\:\\ e=f\\=g\\ \nempty=\nalone\nraw=A. Müller\ncreator=A. M\\u00FCller\nmark=\\u12\nend=\\\\\nb=two";
        let expected = [
            ("a", "1"),
            ("b", "two"),
            ("c", "3"),
            ("long", "one, two, #three"),
            ("d: e", "f=g "),
            ("empty", ""),
            ("alone", ""),
            ("raw", "A. Müller"),
            ("creator", "A. Müller"),
            ("mark", "\\u12"),
            ("end", "\\"),
        ];
        assert_eq!(parse(text), pairs(&expected));
        assert_eq!(value(text, "c").as_deref(), Some("3"));
        assert_eq!((value(text, "empty"), value(text, "absent")), (None, None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in prop::collection::btree_map("[ -~é😀=:#!\\\\]{1,8}", any::<String>(), 0..6)) {
            let written: Vec<(&str, String)> = values.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
            let kept: Vec<(String, String)> = values.clone().into_iter().filter(|(_, v)| !v.is_empty()).collect();
            prop_assert_eq!(parse(&text(&written)), kept);
        }

        #[test]
        fn no_text_ends_the_reader(text in any::<String>(), marks in "[\\\\=: u0d8\n\r#!]{0,40}") {
            let _ = parse(&text);
            let _ = parse(&marks);
        }
    }
}
