//! Finds the store that a URL refers to.
//!
//! The `https` address of a bucket or container means the same as the URL scheme of its cloud provider, so that it can
//! be listed and searched with globs, and is opened with the same credentials, or with none. With a query, as in a
//! presigned address, and for every other host, `https` means plain HTTP: the query and the user information are sent
//! with each request, and only to that host.

use lamcat_core::error::{Error, ErrorKind, Result, is_query, without_secrets};
use url::{Position, Url};

use super::{
    address::{AZURE_DOMAIN, Address, S3Host, bad, decoded},
    hosts::{azure_host, cloud},
};
use crate::session::spool::SCHEME;

/// The credentials in a URL; no part of them is shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Secret {
    /// User name and password.
    pub(super) user: Option<(String, String)>,
    /// The text after the question mark.
    pub(super) query: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A URL, split into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) store: Address,
    /// The path in the store, in the encoding of URLs, with a leading slash.
    pub(super) path: String,
    /// The rest of the path, starting at the first folder or file with a wildcard.
    pub(super) glob: Option<String>,
    pub(super) secret: Option<Secret>,
}

/// Splits a name into its parts; `None` if it is a path of this machine.
///
/// # Errors
/// If it is a URL that does not belong to any store, or a path of another operating system.
pub(super) fn locate(name: &str) -> Result<Option<Located>> {
    let mut letters = name.chars();
    let drive = (letters.next(), letters.next(), letters.next());
    if let (Some('a'..='z' | 'A'..='Z'), Some(':'), Some('\\' | '/')) = drive
        && cfg!(not(windows))
        && !name[2..].starts_with("//")
    {
        let error = Error::new(ErrorKind::Config, format!("'{name}' is a path of Windows"));
        return Err(error.hint("write the path as this system has it, e.g. /mnt/c/stars.parquet"));
    }
    let Some((scheme, rest)) = scheme(name) else { return Ok(None) };
    let is_http = is_http(scheme);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (path, query) = split_query(tail, is_http);
    let wildcards = if is_http { &['*', '['][..] } else { &['*', '?', '['][..] };
    let folder = path.find(wildcards).map(|at| path[..at].rfind('/').map_or(0, |slash| slash + 1));
    let (folder, glob) = folder.map_or((path, None), |at| (&path[..at], Some(path[at..].to_owned())));
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    // What follows the host and is not a query or fragment belongs to the path, even without a leading slash.
    let slash = if folder.is_empty() || folder.starts_with('/') { "" } else { "/" };
    let text = format!("{scheme}://{authority}{slash}{}{query}", folder.replace('#', "%23"));
    let url = Url::parse(&text).map_err(|e| {
        let error = Error::new(ErrorKind::Config, format!("'{}' is no URL", without_secrets(name))).source(e);
        error.hint("in a user name or password write / as %2F, @ as %40, : as %3A")
    })?;
    Ok(Some(Located { glob, ..of_url(&url)? }))
}

/// The scheme of a URL and the text after it; `None` if the name is a path.
pub(in crate::session) fn scheme(name: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = name.split_once(':')?;
    let words = scheme.strip_prefix(|c: char| c.is_ascii_alphabetic())?;
    let is_scheme = words.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (is_scheme && (rest.starts_with("//") || scheme.eq_ignore_ascii_case("file"))).then_some((scheme, rest))
}

/// Splits off the query. Fragments start with `#` only in HTTP URLs; in other URLs `?` is a wildcard unless it starts a
/// query.
fn split_query(tail: &str, is_http: bool) -> (&str, Option<&str>) {
    let tail = if is_http { tail.split('#').next().unwrap_or_default() } else { tail };
    let query = tail.char_indices().find(|(at, c)| *c == '?' && (is_http || is_query(&tail[at + 1..])));
    query.map_or((tail, None), |(at, _)| (&tail[..at], Some(&tail[at + 1..]).filter(|query| !query.is_empty())))
}

fn is_http(scheme: &str) -> bool {
    ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http))
}

/// The position of a URL's query, including its question mark.
pub(in crate::session) fn query_at(name: &str) -> Option<usize> {
    let (scheme, rest) = scheme(name)?;
    let (path, query) = split_query(rest, is_http(scheme));
    query.map(|_| name.len() - rest.len() + path.len())
}

/// Splits a URL without wildcards into its parts.
///
/// # Errors
/// If it does not belong to any store.
pub(super) fn of_url(url: &Url) -> Result<Located> {
    let query = url.query().filter(|q| !q.is_empty()).map(str::to_owned);
    let user = (!url.username().is_empty() || url.password().is_some())
        .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
    let (store, path, user) = match url.scheme() {
        "file" => {
            if url.host_str().is_some_and(|host| !host.is_empty() && host != "localhost") {
                return Err(bad(url, "names another machine").hint("write file:///path, or the path alone"));
            }
            (Address::Local, url.path().to_owned(), None)
        }
        SCHEME => (Address::Spool, url.path().to_owned(), None),
        "s3" | "s3a" => {
            let store = Address::S3 { bucket: name(url, "bucket")?, host: S3Host::Unnamed };
            (store, url.path().to_owned(), user)
        }
        "gs" => (Address::Google { bucket: name(url, "bucket")? }, url.path().to_owned(), user),
        "az" | "adl" | "azure" | "abfs" | "abfss" => {
            // The text in the position of a password is not part of the container's name.
            let token = user.and_then(|(_, password)| (!password.is_empty()).then(|| (password, String::new())));
            (azure(url)?, url.path().to_owned(), token)
        }
        "http" | "https" => match cloud(url, user.is_some(), query.as_deref())? {
            Some((store, path)) => (store, path, user),
            None => (Address::Http { origin: origin(url) }, url.path().to_owned(), user),
        },
        scheme => {
            return Err(Error::new(ErrorKind::Io, format!("'{scheme}' is not a store lamcat knows"))
                .hint("use a path, or a URL with file, s3, gs, az, abfss, http or https"));
        }
    };
    let secret = (user.is_some() || query.is_some()).then_some(Secret { user, query });
    let path = if path.is_empty() { "/".to_owned() } else { path };
    Ok(Located { store, path, glob: None, secret })
}

/// The container of `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net`, `az://CONTAINER@ACCOUNT` and `az://CONTAINER`.
fn azure(url: &Url) -> Result<Address> {
    let host = name(url, "container")?;
    let domain = AZURE_DOMAIN.to_owned();
    let whole = "write e.g. abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH, or az://CONTAINER/PATH";
    let container = decoded(url.username());
    match (container.is_empty(), host.contains('.'), azure_host(&host)) {
        (true, false, _) => Ok(Address::Azure { account: None, container: host, domain }),
        (true, true, _) => Err(bad(url, "names no container").hint(whole)),
        (false, false, _) => Ok(Address::Azure { account: Some(host), container, domain }),
        (false, true, Some((account, domain))) => {
            Ok(Address::Azure { account: Some(account.to_owned()), container, domain: domain.to_owned() })
        }
        (false, true, None) => Err(bad(url, "is of no account of Azure").hint(whole)),
    }
}

/// The host, which is the name of a bucket or container.
fn name(url: &Url, what: &str) -> Result<String> {
    let host = url.host_str().map(decoded).filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| bad(url, &format!("names no {what}")))?;
    // When put into a URL again, such a name would refer to another place.
    if host.contains(['/', '?', '#', '%', '@', ':', '\\']) {
        return Err(bad(url, &format!("names a {what} that there cannot be")));
    }
    if url.port().is_some() {
        let hint =
            "the address of a server of one's own is set by AWS_ENDPOINT, AZURE_STORAGE_ENDPOINT, GOOGLE_BASE_URL";
        return Err(bad(url, "has a port").hint(hint));
    }
    Ok(host)
}

fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
}

#[cfg(test)]
mod tests;
