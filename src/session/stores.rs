//! Object stores by URL, made when first used.
//!
//! Credentials and endpoints come from the environment, as each provider's own tools read them: `AWS_*`, `GOOGLE_*`,
//! `AZURE_*`. They stay inside the stores: keys and errors hold only scheme and host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{common::Result, execution::object_store::ObjectStoreRegistry};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, http::HttpBuilder,
};
use url::{Position, Url};

use super::retrying::{Retries, Retrying};
use crate::{
    error::{Error, ErrorKind},
    outputs::{EndedUploads, LocalStore},
};

/// Registry of file, s3, gs, az and http stores.
#[derive(Debug, Default)]
pub struct LazyStores {
    stores: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl LazyStores {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<dyn ObjectStore>>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStoreRegistry for LazyStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.lock().insert(key(url), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let key = key(url);
        if let Some(store) = self.lock().get(&key) {
            return Ok(store.clone());
        }
        let store = build(url)?;
        Ok(self.lock().entry(key).or_insert(store).clone())
    }
}

/// Scheme and host of a URL, without user information, path or query.
fn key(url: &Url) -> String {
    format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort])
}

fn build(url: &Url) -> Result<Arc<dyn ObjectStore>, Error> {
    let failed = |e: object_store::Error| {
        Error::new(ErrorKind::Io, "cannot open the object store").at("store", key(url)).source(e).hint(
            "credentials and endpoints are read from the environment: AWS_ACCESS_KEY_ID, AWS_ENDPOINT, …, \
             GOOGLE_SERVICE_ACCOUNT, …, AZURE_STORAGE_ACCOUNT_NAME, …",
        )
    };
    let unknown = || {
        Error::new(ErrorKind::Io, format!("'{}' is not a store lamcat knows", url.scheme()))
            .hint("use a path, or a URL with file, s3, gs, az, abfss, http or https")
    };
    let (scheme, _) = ObjectStoreScheme::parse(url).map_err(|_| unknown())?;
    // Requests are sent once here, so that what may have been done by an earlier one is known where they are repeated.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let retries = Retries::from_env()?;
    let store: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::Local => Arc::new(LocalStore::default()),
        ObjectStoreScheme::AmazonS3 => {
            let builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry);
            Arc::new(Retrying::new(builder.build().map_err(failed)?, retries))
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            Arc::new(Retrying::new(builder.build().map_err(failed)?, retries))
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            Arc::new(Retrying::new(builder.build().map_err(failed)?, retries))
        }
        ObjectStoreScheme::Http => {
            let options = ClientOptions::new().with_allow_http(url.scheme() == "http");
            let origin = &url[..Position::AfterPort];
            let builder = HttpBuilder::new().with_url(origin).with_client_options(options).with_retry(retry);
            Arc::new(Retrying::without_parts(builder.build().map_err(failed)?, retries))
        }
        _ => return Err(unknown()),
    };
    Ok(Arc::new(EndedUploads::new(store)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_makes_its_store_and_unknown_ones_say_so() {
        let stores = LazyStores::default();
        for url in ["file:///", "s3://bucket", "gs://bucket", "http://127.0.0.1:9/", "https://example.org/"] {
            let url = Url::parse(url).unwrap();
            let store = stores.get_store(&url);
            assert!(store.is_ok(), "{url}: {store:?}");
            assert!(Arc::ptr_eq(&store.unwrap(), &stores.get_store(&url).unwrap()), "{url} is made once");
        }
        let e = stores.get_store(&Url::parse("ftp://example.org/").unwrap()).unwrap_err().to_string();
        assert!(e.contains("'ftp' is not a store"), "{e}");
    }

    #[test]
    fn user_information_is_not_part_of_the_key() {
        assert_eq!(
            key(&Url::parse("https://user:secret@example.org:8443/x?sig=1").unwrap()),
            "https://example.org:8443"
        );
    }
}
