//! Several pictures on one HTML page.

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

const STYLE: &str = "body{font-family:sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}\
                     svg{max-width:100%;height:auto}p{white-space:pre-line}";

/// A page that holds its pictures in itself.
#[must_use]
pub fn page(title: &str, pictures: &[Picture]) -> String {
    let head = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title><style>{STYLE}</style></head>\n<body>\n",
        escaped(title)
    );
    let body = pictures.iter().map(|p| {
        let text = if p.text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escaped(&p.text)) };
        format!("<h2>{}</h2>\n{text}{}\n", escaped(&p.heading), p.svg)
    });
    head + &body.collect::<String>() + "</body>\n</html>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_pictures_are_not() {
        let picture = Picture { heading: "G < 17".into(), text: "a & b".into(), svg: "<svg></svg>".into() };
        let html = page("stars", &[picture]);
        assert!(
            html.contains("<h2>G &lt; 17</h2>") && html.contains("<p>a &amp; b</p>") && html.contains("<svg></svg>")
        );
    }
}
