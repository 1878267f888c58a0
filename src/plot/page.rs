//! HTML pages that contain their pictures.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A picture with a heading and a text.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Heading above it.
    pub heading: String,
    /// Text below the heading.
    pub text: String,
    /// The image, as returned by [`Chart::svg`](super::Chart::svg).
    pub svg: String,
}

const BASE: &str = "body{font-family:sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\
                    svg{max-width:100%;height:auto}";

/// A page contains everything that it needs: whatever its text is, a browser loads nothing and runs no script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Returns a page of pictures, one below the other.
#[must_use]
pub fn page(title: &str, pictures: &[Picture]) -> String {
    let body = html! {
        @for picture in pictures {
            h2 { (picture.heading) }
            @if !picture.text.is_empty() { p { (picture.text) } }
            (PreEscaped(&picture.svg))
        }
    };
    html_page(title, "p{white-space:pre-line}", &body)
}

/// Returns a page of HTML elements; the rules of `style` precede the common ones. Characters that are not allowed in
/// XML are replaced.
#[must_use]
pub fn html_page(title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                style { (PreEscaped(BASE)) (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    printable(&page.into_string()) + "\n"
}

/// Returns an HTML table, with a class for its style.
#[must_use]
pub fn table(class: &str, header: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        table class=(class) {
            @if !header.is_empty() {
                tr { @for cell in header { th { (cell) } } }
            }
            @for row in rows {
                tr { @for cell in row { td { (cell) } } }
            }
        }
    }
}

/// Formats a number with about four significant digits, as `1.234e-5` if it is small.
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

/// Returns the text with a replacement character for each character that is not allowed in XML (XML 1.0, section 2.2).
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
