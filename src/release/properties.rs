//! Java properties files, as HATS has them.

use std::fmt::Write;

/// The text of `pairs`, in their order; those without a value are left out.
#[must_use]
pub fn text(pairs: &[(&str, String)]) -> String {
    let mut text = String::from("#HATS catalog\n");
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(key);
        text.push('=');
        for c in value.chars() {
            escape(c, &mut text);
        }
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

/// The pairs of a properties file.
#[must_use]
pub fn parse(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|l| !l.trim_start().starts_with(['#', '!']));
    let pairs = lines.filter_map(|l| l.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ascii_is_escaped() {
        let text = text(&[("a", "Gaia π\\\n😀".to_owned()), ("b", String::new()), ("c", "1".to_owned())]);
        assert_eq!(text, "#HATS catalog\na=Gaia \\u03c0\\\\\\n\\ud83d\\ude00\nc=1\n");
        assert_eq!(parse(&text)[1], ("c".to_owned(), "1".to_owned()));
    }
}
