//! The addresses of stores.

use lamcat_core::error::{Error, ErrorKind, shown_url};
use url::Url;

use crate::session::spool::SCHEME;

pub(super) const AZURE_DOMAIN: &str = "core.windows.net";
pub(super) const CLOUDFLARE_DOMAIN: &str = "r2.cloudflarestorage.com";

/// A store: all parts of a URL that identify it, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// The files of this machine.
    Local,
    /// The data of standard input and archives.
    Spool,
    /// A bucket of S3 or of a compatible server.
    S3 { bucket: String, host: S3Host },
    /// A bucket of Google Cloud Storage.
    Google { bucket: String },
    /// A container of an Azure account; if the URL names no account, the one from the environment is used.
    Azure { account: Option<String>, container: String, domain: String },
    /// A file server, such as `https://example.org:8443`.
    Http { origin: String },
}

/// What a URL says about the server of an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum S3Host {
    /// The URL does not name it: it is the server from the environment, or else Amazon's.
    Unnamed,
    /// Amazon's server, in a region if one is named; the domain is `amazonaws.com` or the Chinese one.
    Amazon { region: Option<String>, domain: &'static str },
    /// Cloudflare's server of an account.
    Cloudflare { account: String },
}

/// Decodes the escapes in a part of a URL.
pub(super) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The error for a URL that does not refer to any store.
pub(super) fn bad(url: &Url, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("'{}' {what}", shown_url(url)))
}

impl Address {
    /// The store's own URL, which no other store has. From it [`super::locate::locate`] returns this store and `user`.
    /// That part is in the position where Azure's addresses have a password and other addresses have a user name.
    pub(super) fn url(&self, user: Option<&str>) -> String {
        let at = user.map_or_else(String::new, |user| format!("{user}@"));
        match self {
            Self::Local => "file:///".to_owned(),
            Self::Spool => format!("{SCHEME}:///"),
            Self::S3 { bucket, host: S3Host::Unnamed } => format!("s3://{at}{bucket}/"),
            Self::S3 { bucket, host: S3Host::Amazon { region, domain } } => {
                let region = region.as_ref().map_or_else(String::new, |region| format!(".{region}"));
                format!("https://{at}{bucket}.s3{region}.{domain}/")
            }
            Self::S3 { bucket, host: S3Host::Cloudflare { account } } => {
                format!("https://{at}{bucket}.{account}.{CLOUDFLARE_DOMAIN}/")
            }
            Self::Google { bucket } => format!("gs://{at}{bucket}/"),
            Self::Azure { account, container, domain } => {
                let token = user.map_or_else(String::new, |user| format!(":{user}"));
                match account {
                    Some(account) => format!("abfss://{container}{token}@{account}.dfs.{domain}/"),
                    None if user.is_some() => format!("az://{token}@{container}/"),
                    None => format!("az://{container}/"),
                }
            }
            Self::Http { origin } => {
                let (scheme, host) = origin.split_once("://").unwrap_or(("https", origin));
                format!("{scheme}://{at}{host}/")
            }
        }
    }

    /// Whether the store is anything other than the files of this machine.
    pub(super) fn is_remote(&self) -> bool {
        !matches!(self, Self::Local | Self::Spool)
    }
}
