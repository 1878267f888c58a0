//! HTML pages that hold their pictures in themselves.

use std::fmt::Display;

/// A picture with what is said about it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Heading above it.
    pub heading: String,
    /// Text below the heading.
    pub text: String,
    /// The image, as [`Chart::svg`](super::Chart::svg) gives it.
    pub svg: String,
}

const BASE: &str = "body{font-family:sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\
                    svg{max-width:100%;height:auto}";

/// A page holds everything in itself: whatever its text is, a browser loads nothing and runs no script.
const ALONE: &str =
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">";

/// A page of pictures, one below the other.
#[must_use]
pub fn page(title: &str, pictures: &[Picture]) -> String {
    let body = pictures.iter().map(|p| {
        let text = if p.text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escaped(&p.text)) };
        format!("<h2>{}</h2>\n{text}{}\n", escaped(&p.heading), p.svg)
    });
    html(title, "p{white-space:pre-line}", &body.collect::<String>())
}

/// A page of HTML elements; rules of `style` go before those of every page.
#[must_use]
pub fn html(title: &str, style: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">{ALONE}\
         <title>{}</title><style>{BASE}{style}</style></head>\n<body>\n{body}</body>\n</html>\n",
        escaped(title)
    )
}

/// A table of HTML, with a class for its style; cells are escaped.
#[must_use]
pub fn table(class: &str, header: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(|c| format!("<{tag}>{}</{tag}>", escaped(c))).collect();
        format!("<tr>{}</tr>\n", cells.concat())
    };
    let head = if header.is_empty() { String::new() } else { cells("th", &mut header.iter().copied()) };
    let body: String = rows.iter().map(|row| cells("td", &mut row.iter().map(String::as_str))).collect();
    format!("<table class=\"{class}\">\n{head}{body}</table>\n")
}

/// A number with about four significant digits, as `1.234e-5` if it is small.
#[must_use]
pub fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if value.abs() < 1e-4 {
        return format!("{value:.3e}");
    }
    let places = (3.0 - value.abs().log10().floor()).clamp(0.0, 7.0) as usize;
    format!("{value:.places$}")
}

/// Text as the content or an attribute of an element of HTML or SVG.
#[must_use]
pub fn escaped(text: impl Display) -> String {
    let text = printable(&text.to_string());
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with a replacement character for each that XML cannot hold (XML 1.0, section 2.2).
pub(super) fn printable(text: &str) -> String {
    let legal = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if legal(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_pictures_are_not() {
        let picture = Picture { heading: "G < 17".into(), text: "a & \u{1}b".into(), svg: "<svg></svg>".into() };
        let html = page("stars", &[picture]);
        for part in ["<title>stars</title>", "<h2>G &lt; 17</h2>", "<p>a &amp; \u{fffd}b</p>", "<svg></svg>"] {
            assert!(html.contains(part), "{html}");
        }
    }
}
