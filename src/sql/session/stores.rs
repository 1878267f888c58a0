//! Object stores by URL, opened when they are first used.
//!
//! A store is identified by a scheme, a bucket or container with its account, a server, and the credentials in the URL:
//! two URLs that differ in one of them refer to two stores. The secrets of a URL stay in this module:
//! [`LazyStores::public_url`] returns a URL without them that refers to the same store in this session, and only that
//! URL appears in plans.
//!
//! Other credentials and endpoints come from the environment, in the variables that each provider's own tools read:
//! `AWS_*`, `GOOGLE_*`, `AZURE_*`. Without credentials a bucket is read anonymously.

mod address;
mod clouds;
mod hosts;
mod http;
mod locate;
mod profile;
mod ranges;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use address::Address;
use datafusion::{common::Result, execution::object_store::ObjectStoreRegistry};
use lamcat_core::{
    error::{Error, ErrorKind, remember_secret},
    outputs::{EndedUploads, LocalStore},
};
use locate::Secret;
use object_store::{ClientOptions, ObjectStore, RetryConfig, http::HttpBuilder};
use url::Url;

use super::{
    retrying::{Retries, Retrying},
    unpacked::Unpacked,
};
pub(super) use locate::{query_at, scheme};

/// Whether a name is a URL that contains a secret.
pub(super) fn has_secret(name: &str) -> bool {
    matches!(locate::locate(name), Ok(Some(located)) if located.secret.is_some())
}

/// The prefix of the text that replaces a secret in a public URL; the secret's number within its store follows.
const HIDDEN: &str = "hidden-";

/// Registry of file, s3, gs, az and http stores.
#[derive(Default)]
pub struct LazyStores {
    known: Mutex<Known>,
    remote: AtomicUsize,
    unpacked: Unpacked,
}

impl fmt::Debug for LazyStores {
    /// The stores are left out, since some print their credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyStores").field("remote", &self.remote()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Known {
    stores: HashMap<Key, Arc<dyn ObjectStore>>,
    /// The secrets found in URLs, by store.
    secrets: HashMap<Address, Vec<Secret>>,
}

/// What identifies an open store.
type Key = (Address, Option<Secret>);

impl LazyStores {
    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data of standard input and archives.
    pub(super) fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    /// Number of opened stores, not counting the files of this machine.
    pub(super) fn remote(&self) -> usize {
        self.remote.load(Ordering::Relaxed)
    }

    /// The URL that replaces a name in plans and in calls to DataFusion, together with the rest of the path if that
    /// contains wildcards; `None` if the name is a path of this machine. The URL has no secrets, and refers to its
    /// store only in this session.
    ///
    /// # Errors
    /// If the name is a URL that does not belong to any store.
    pub(super) fn public_url(&self, name: &str) -> Result<Option<(Url, Option<String>)>, Error> {
        let Some(located) = locate::locate(name)? else { return Ok(None) };
        let token = located.secret.map(|secret| self.token(&located.store, secret));
        let internal = |e: url::ParseError| Error::new(ErrorKind::Config, "the store has no URL").source(e);
        let mut url = Url::parse(&located.store.url(token.as_deref())).map_err(internal)?;
        url.set_path(&located.path);
        Ok(Some((url, located.glob)))
    }

    /// The text that replaces a secret in the URLs of a store.
    fn token(&self, store: &Address, secret: Secret) -> String {
        let mut known = self.lock();
        let secrets = known.secrets.entry(store.clone()).or_default();
        let at = match number(&secret).filter(|at| *at < secrets.len()) {
            Some(at) => at,
            None => secrets.iter().position(|known| *known == secret).unwrap_or_else(|| {
                secret.remember();
                secrets.push(secret);
                secrets.len() - 1
            }),
        };
        format!("{HIDDEN}{}", at + 1)
    }

    fn key(&self, url: &Url) -> Result<Key, Error> {
        let located = locate::of_url(url)?;
        let known = self.lock();
        let secrets = known.secrets.get(&located.store);
        let secret = located.secret.map(|secret| {
            let at = number(&secret).and_then(|at| secrets?.get(at));
            at.cloned().unwrap_or(secret)
        });
        Ok((located.store, secret))
    }
}

/// Whether a URL uses plain HTTP, which cannot list folders.
pub(super) fn is_file_server(url: &Url) -> bool {
    matches!(locate::of_url(url), Ok(located) if matches!(located.store, Address::Http { .. }))
}

/// Whether only this process knows what a public URL refers to: unpacked data, or a store whose secret was in a URL.
#[must_use]
pub fn is_of_this_process(url: &Url) -> bool {
    locate::of_url(url)
        .is_ok_and(|located| located.store == Address::Spool || located.secret.as_ref().and_then(number).is_some())
}

/// The number of the secret that a public URL refers to.
fn number(secret: &Secret) -> Option<usize> {
    let (name, password) = secret.user.as_ref().filter(|_| secret.query.is_none())?;
    let number: usize = name.strip_prefix(HIDDEN).filter(|_| password.is_empty())?.parse().ok()?;
    number.checked_sub(1)
}

impl Secret {
    /// Makes sure that the secret appears in no message or log.
    fn remember(&self) {
        /// Shorter parameters are secrets only if their names say so.
        const LONG: usize = 20;
        const SECRETS: [&str; 8] = ["sig", "token", "key", "secret", "password", "credential", "policy", "auth"];
        if let Some((name, password)) = &self.user {
            remember_secret(password);
            remember_secret(&format!("{name}:{password}"));
        }
        let Some(query) = &self.query else { return };
        remember_secret(query);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if value.len() >= LONG || SECRETS.iter().any(|word| key.to_lowercase().contains(word)) {
                remember_secret(&value);
            }
        }
    }
}

impl ObjectStoreRegistry for LazyStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        let key = self.key(url).ok()?;
        self.lock().stores.insert(key, store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let key = self.key(url)?;
        if key.0 == Address::Spool {
            return Ok(self.unpacked.spool.clone());
        }
        if let Some(store) = self.lock().stores.get(&key) {
            return Ok(store.clone());
        }
        let store = build(&key.0, key.1.as_ref())?;
        let mut known = self.lock();
        if !known.stores.contains_key(&key) && key.0.is_remote() {
            self.remote.fetch_add(1, Ordering::Relaxed);
        }
        Ok(known.stores.entry(key).or_insert(store).clone())
    }
}

fn build(address: &Address, secret: Option<&Secret>) -> Result<Arc<dyn ObjectStore>, Error> {
    let failed = |e: object_store::Error| {
        Error::new(ErrorKind::Io, "cannot open the object store").at("store", address.url(None)).source(e).hint(
            "credentials and endpoints are read from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT, …, \
             GOOGLE_SERVICE_ACCOUNT, …, AZURE_STORAGE_ACCOUNT_NAME, …",
        )
    };
    clouds::check(address, secret)?;
    // Each request is sent once by the client, so that the code which repeats requests knows what an earlier one may
    // have done.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let retries = Retries::from_env()?;
    let store: Arc<dyn ObjectStore> = match address {
        Address::Local | Address::Spool => Arc::new(LocalStore::default()),
        Address::S3 { bucket, host } => {
            let builder = clouds::s3(bucket, host, secret)?.with_retry(retry);
            Arc::new(Retrying::new(builder.build().map_err(failed)?, retries))
        }
        Address::Google { bucket } => {
            Arc::new(Retrying::new(clouds::google(bucket).with_retry(retry).build().map_err(failed)?, retries))
        }
        Address::Azure { account, container, domain } => {
            let builder = clouds::azure(account.as_deref(), container, domain, secret).with_retry(retry);
            Arc::new(Retrying::new(builder.build().map_err(failed)?, retries))
        }
        Address::Http { origin } => {
            let options = ClientOptions::new().with_allow_http(origin.starts_with("http:"));
            let builder = HttpBuilder::new().with_url(origin).with_client_options(options).with_retry(retry);
            let builder = builder.with_http_connector(http::Connector::new(secret));
            Arc::new(Retrying::without_parts(builder.build().map_err(failed)?, retries))
        }
    };
    Ok(Arc::new(EndedUploads::new(store)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(stores: &LazyStores, name: &str) -> Url {
        stores.public_url(name).unwrap().unwrap().0
    }

    #[test]
    fn every_scheme_makes_its_store_once_and_unknown_ones_say_so() {
        let stores = LazyStores::default();
        for name in ["file:///", "s3://bucket", "gs://bucket", "http://127.0.0.1:9/", "https://u:p@example.org/?sig=x"]
        {
            let url = url(&stores, name);
            let store = stores.get_store(&url);
            assert!(store.is_ok(), "{url}: {store:?}");
            assert!(Arc::ptr_eq(&store.unwrap(), &stores.get_store(&url).unwrap()), "{url} is made once");
        }
        let e = stores.get_store(&Url::parse("ftp://example.org/").unwrap()).unwrap_err().to_string();
        assert!(e.contains("'ftp' is not a store"), "{e}");
    }

    #[test]
    fn what_differs_in_container_server_or_secret_is_another_store() {
        let stores = LazyStores::default();
        let names = [
            "abfss://alpha@account.dfs.core.windows.net/x.csv?sig=SASSECRET",
            "abfss://beta@account.dfs.core.windows.net/x.csv?sig=SASSECRET",
            "abfss://beta@other.dfs.core.windows.net/x.csv?sig=SASSECRET",
            "abfss://beta@other.dfs.core.windows.net/x.csv?sig=SASOTHER",
            "s3://bucket/x.csv",
            "s3://other/x.csv",
            "s3://AKIAONE:hunter2one@bucket/x.csv",
            "s3://AKIATWO:hunter2two@bucket/x.csv",
            "https://bucket.s3.eu-west-1.amazonaws.com/x.csv",
            "https://bucket.s3.us-west-2.amazonaws.com/x.csv",
            "gs://bucket/x.csv",
            "http://127.0.0.1:9000/x.csv",
            "http://127.0.0.1:9001/x.csv",
            "http://me:hunter2a@127.0.0.1:9000/x.csv",
            "http://me:hunter2b@127.0.0.1:9000/x.csv",
            "http://127.0.0.1:9000/x.csv?X-Amz-Signature=hunter2c",
        ];
        let urls: Vec<Url> = names.iter().map(|name| url(&stores, name)).collect();
        let made: Vec<_> = urls.iter().map(|url| stores.get_store(url).unwrap()).collect();
        for (i, a) in made.iter().enumerate() {
            for (j, b) in made.iter().enumerate() {
                assert_eq!(i == j, Arc::ptr_eq(a, b), "{} and {}", names[i], names[j]);
            }
            let shown = format!("{} {stores:?} {a}", urls[i]);
            assert!(!["hunter2", "SASSECRET", "SASOTHER"].iter().any(|secret| shown.contains(secret)), "{shown}");
            assert_eq!(url(&stores, urls[i].as_str()), urls[i], "a public URL stays as it is");
        }
        assert_eq!(stores.remote(), names.len());
    }

    #[test]
    fn one_store_has_several_names() {
        let stores = LazyStores::default();
        for (one, other) in [
            ("https://storage.googleapis.com/b/x", "gs://b/x"),
            ("https://s3.eu-west-1.amazonaws.com/b/x", "https://b.s3.eu-west-1.amazonaws.com/x"),
        ] {
            let (one, other) = (url(&stores, one), url(&stores, other));
            assert_eq!(one, other);
        }
    }
}
