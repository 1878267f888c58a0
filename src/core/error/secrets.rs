//! Removes the passwords, keys and signatures that open stores from texts.
//!
//! Secrets exist only inside the session's stores and are in no text that lamcat writes. Libraries write texts too, as
//! errors and logs: these pass through [`without_secrets`], which removes the secrets that stores were opened with, in
//! any spelling, and everything that looks like a secret.

use std::{
    borrow::Cow,
    sync::{LazyLock, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use regex::Regex;
use url::Url;

/// The text that replaces a secret.
const HIDDEN: &str = "***";
/// The minimum length of a secret that is searched for. A shorter one would match ordinary words; it is recognised only
/// by its place in a URL or a header.
const SHORTEST: usize = 5;
/// Schemes whose user name is a container, which is not secret.
const CONTAINER_FIRST: [&str; 5] = ["az", "adl", "azure", "abfs", "abfss"];

/// The secrets that stores were opened with, in every spelling, longest first.
static KNOWN: LazyLock<RwLock<Vec<String>>> = LazyLock::new(RwLock::default);

/// Removes a secret from all later texts, in every spelling that requests use for it.
pub fn remember_secret(secret: &str) {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let in_path = encoded.replace('+', "%20");
    let mut spellings = vec![secret.to_owned(), encoded, in_path, STANDARD.encode(secret)];
    // The spelling of a key with line breaks in a JSON text.
    spellings.push(secret.escape_default().to_string());
    spellings.retain(|spelling| spelling.len() >= SHORTEST);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.extend(spellings);
    known.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    known.dedup();
}

/// Returns a text without the user information and queries of URLs, without the credentials in headers and parameters,
/// and without the secrets that stores were opened with.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut text = Cow::Borrowed(text);
    for secret in KNOWN.read().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret.as_str()) {
            text = Cow::Owned(text.replace(secret.as_str(), HIDDEN));
        }
    }
    let text = without_urls_secrets(&text);
    let text = HEADER.replace_all(&text, format!("$1$2$3{HIDDEN}"));
    PARAMETER.replace_all(&text, format!("$1{HIDDEN}")).into_owned()
}

/// Returns an address without user information and query; the container in an Azure address is kept.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let mut shown = url.clone();
    let container = CONTAINER_FIRST.contains(&url.scheme());
    // Only addresses without a host refuse this, and those have no user.
    let _ = shown.set_password(None);
    if !container {
        let _ = shown.set_username("");
    }
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// The credentials in a header, to the end of the line or of a quoted text.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r#"(?i)((?:proxy-)?authorization["']?\s*[:=]\s*["']?)[^\r\n"']+"#,
        r#"|(\bbearer\s+)[a-z0-9._~+/=-]{16,}|(\bbasic\s+)[a-z0-9+/]{6,}={1,2}"#,
    ))
});

/// The credentials in a parameter.
static PARAMETER: LazyLock<Regex> = LazyLock::new(|| {
    expression(concat!(
        r#"(?i)(\b(?:x-(?:amz|goog)-(?:signature|credential|security-token)["']?\s*(?:=|%3d|:)"#,
        r#"|(?:sig|signature|secret|secret[_-]?access[_-]?key|session[_-]?token|access[_-]?token|account[_-]?key"#,
        r#"|sas[_-]?(?:key|token)|client[_-]?secret|private[_-]?key|password|passwd)["']?\s*(?:=|%3d|:\s*["']))\s*["']?)"#,
        r#"[^\s&"'<>]+"#,
    ))
});

#[expect(clippy::expect_used, reason = "the expressions are constants, which a test compiles")]
fn expression(text: &str) -> Regex {
    Regex::new(text).expect("the expression is one")
}

/// Schemes of URLs that are recognised even if a slash was lost, as in a path made from a URL.
const SCHEMES: [&str; 9] = ["http", "https", "s3", "s3a", "gs", "az", "adl", "abfs", "abfss"];

fn without_urls_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(":/") {
        let scheme = &rest[before_scheme(&rest[..at])..at];
        let slashes = if rest[at..].starts_with("://") { 3 } else { 2 };
        let (before, url) = rest.split_at(at + slashes);
        shown.push_str(before);
        rest = url;
        if slashes == 3 || SCHEMES.contains(&scheme) {
            // A path may contain brackets, commas and quotes: only white space surely ends it.
            let end = url.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(url.len());
            // Another address may follow without a space.
            let end = url[..end].find("://").map_or(end, |next| before_scheme(&url[..next]));
            push_url(&mut shown, scheme, &url[..end]);
            rest = &url[end..];
        }
    }
    shown + rest
}

/// Returns the position at which the scheme at the end of a text begins.
fn before_scheme(text: &str) -> usize {
    text.rfind(|c: char| !c.is_ascii_alphanumeric())
        .map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8))
}

/// Appends an address, after its scheme, without user information and query.
fn push_url(shown: &mut String, scheme: &str, url: &str) {
    let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
    // A password that contains a slash is not valid in a URL, but it may still be a real password.
    let torn =
        url[..authority].split_once(':').is_some_and(|(_, port)| !port.starts_with(|c: char| c.is_ascii_digit()));
    let user_end = if torn { url.rfind('@') } else { url[..authority].rfind('@') };
    if let Some(at) = user_end
        && CONTAINER_FIRST.contains(&scheme)
    {
        shown.push_str(url[..at].split(':').next().unwrap_or_default());
        shown.push('@');
    }
    let rest = user_end.map_or(url, |at| &url[at + 1..]);
    let is_http = scheme.starts_with("http");
    let query =
        rest.char_indices().find(|(at, c)| *c == '#' && is_http || *c == '?' && (is_http || is_query(&rest[at + 1..])));
    let Some((query, _)) = query else { return shown.push_str(rest) };
    shown.push_str(&rest[..query]);
    // A closing quotation mark or bracket after the address belongs to the sentence.
    let tail =
        rest[query..].len() - rest[query..].trim_end_matches(['\'', '`', ')', ']', '>', ',', ';', '.', ':']).len();
    shown.push_str(&rest[rest.len() - tail..]);
}

/// Whether the text after a question mark is a query and not the rest of a glob.
#[must_use]
pub fn is_query(text: &str) -> bool {
    let name = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.%".contains(c))).unwrap_or(text.len());
    name > 0 && text[name..].starts_with('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_passwords_and_signatures() {
        let text = "cannot read https://me:secret@example.org/a.parquet?sig=123 now";
        assert_eq!(without_secrets(text), "cannot read https://example.org/a.parquet now");
        assert_eq!(without_secrets("(s3://k:s@b/x),\nhttp://u:p@h?sig=1"), "(s3://b/x),\nhttp://h");
        for path in ["a,b.csv", "a(1).csv", "a;b.csv", "it's.csv", "a<b>.csv", "a]b.csv"] {
            let shown = without_secrets(&format!("cannot read 'http://u:hunter2@h/{path}?sig=SAS&x=S2' (file 1)"));
            assert_eq!(shown, format!("cannot read 'http://h/{path}' (file 1)"));
        }
        assert_eq!(without_secrets("http://u:p/w@h/x"), "http://h/x");
        assert_eq!(without_secrets("http://u:p@h/x?a=1,http://v:q@h/y?b=2"), "http://h/x,http://h/y");
        assert_eq!(without_secrets("http://h:80/a@b/x"), "http://h:80/a@b/x");
        assert_eq!(without_secrets("/work/http:/u:p@h/x?sig=1"), "/work/http:/h/x");
        assert_eq!(without_secrets("…s3://u:p@b/x"), "…s3://b/x");
    }

    #[test]
    fn containers_and_globs_stay() {
        assert_eq!(
            without_secrets("abfss://c:pw@a.dfs.core.windows.net/x?sig=1"),
            "abfss://c@a.dfs.core.windows.net/x"
        );
        assert_eq!(without_secrets("s3://b/part-?.parquet and s3://b/?sig=x"), "s3://b/part-?.parquet and s3://b/");
        let url = Url::parse("abfss://c:pw@a.dfs.core.windows.net/x?sig=1").unwrap();
        assert_eq!(shown_url(&url), "abfss://c@a.dfs.core.windows.net/x");
        assert_eq!(shown_url(&Url::parse("https://u:p@h:8443/x?sig=1#y").unwrap()), "https://h:8443/x");
    }

    #[test]
    fn headers_and_parameters_lose_credentials() {
        for text in [
            "authorization: Basic QWxhZGRpbg==",
            "\"authorization\": \"AWS4-HMAC-SHA256 Credential=QWxhZGRpbg==, Signature=QWxhZGRpbg==\"",
            "sent Bearer QWxhZGRpbg==QWxhZGRpbg==",
            "GET /x?X-Amz-Signature=QWxhZGRpbg== HTTP/1.1",
            "X-Amz-Credential%3DQWxhZGRpbg==",
            "path /x?sig=QWxhZGRpbg==&se=1",
            "{\"private_key\": \"QWxhZGRpbg==\"}",
        ] {
            let shown = without_secrets(text);
            assert!(!shown.contains("QWxhZGRpbg"), "{text}: {shown}");
        }
        let plain = "a basic check of the signature of 12 columns: password-free, sigma=3";
        assert_eq!(without_secrets(plain), plain);
    }

    #[test]
    fn what_opened_a_store_is_nowhere_in_any_spelling() {
        remember_secret("s3cr+t/of=mine");
        for text in ["body: s3cr+t/of=mine", "q=s3cr%2Bt%2Fof%3Dmine", "xczNjcit0L29mPW1pbmU=", "czNjcit0L29mPW1pbmU="]
        {
            assert!(without_secrets(text).contains(HIDDEN), "{text}");
        }
        remember_secret("an");
        assert_eq!(without_secrets("an error"), "an error");
    }
}
