//! The addresses of stores.

use lamcat_core::error::{Error, ErrorKind, shown_url};
use url::Url;

use crate::session::spool::SCHEME;

pub(super) const AZURE_DOMAIN: &str = "core.windows.net";
pub(super) const CLOUDFLARE_DOMAIN: &str = "r2.cloudflarestorage.com";

/// A store: all of a URL that says which one, but its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Address {
    /// The files of this machine.
    Local,
    /// What is kept of standard input and archives.
    Spool,
    /// A bucket of S3 or of a server that speaks like it.
    S3 { bucket: String, host: S3Host },
    /// A bucket of Google Cloud Storage.
    Google { bucket: String },
    /// A container of an account of Azure; of the account that the environment names if the URL names none.
    Azure { account: Option<String>, container: String, domain: String },
    /// A server of files, as `https://example.org:8443`.
    Http { origin: String },
}

/// What a URL says of the server of an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum S3Host {
    /// Nothing: the environment does, else it is Amazon's.
    Unnamed,
    /// Amazon's, in a region if one is named; the domain is `amazonaws.com` or that of China.
    Amazon { region: Option<String>, domain: &'static str },
    /// Cloudflare's, of an account.
    Cloudflare { account: String },
}

/// A part of a URL without its escapes.
pub(super) fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The error of a URL that means no store.
pub(super) fn bad(url: &Url, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("'{}' {what}", shown_url(url)))
}

impl Address {
    /// The store's own URL, which no other store has: what [`super::locate::locate`] gives of it is this store and `user`, for which
    /// something stands where Azure's addresses have a password, others a user name.
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

    /// Whether the store is another than this machine's files.
    pub(super) fn is_remote(&self) -> bool {
        !matches!(self, Self::Local | Self::Spool)
    }
}
