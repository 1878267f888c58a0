//! Requests to a file server. The user name, password and query of its URL are added here, at the last moment, and are
//! sent to that server only.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{
    Method, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HeaderValue, RANGE},
};
use lamcat_core::error::{Error, ErrorKind};
use object_store::{
    ClientOptions, Result,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};

use super::{locate::Secret, ranges::part};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time without data from a server.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Creates clients that send the secret of a URL, if it has one.
#[derive(Debug)]
pub(super) struct Connector(Option<Arc<Secret>>);

impl Connector {
    pub(super) fn new(secret: Option<&Secret>) -> Self {
        Self(secret.cloned().map(Arc::new))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let plain = options.get_config_value(&object_store::ClientConfigKey::AllowHttp);
        let failed =
            |e: reqwest::Error| object_store::Error::Generic { store: "HTTP", source: Box::new(e.without_url()) };
        // After a redirect, the new server would see the query in the Referer header. The user name and password are
        // dropped for another host anyway.
        let client = reqwest::Client::builder()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("lamcat/", env!("CARGO_PKG_VERSION")))
            .https_only(plain.as_deref() != Some("true"))
            .build()
            .map_err(failed)?;
        Ok(HttpClient::new(Service { secret: self.0.clone(), client: HttpClient::new(client) }))
    }
}

/// Sends requests.
#[derive(Debug)]
struct Service {
    secret: Option<Arc<Secret>>,
    client: HttpClient,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let invalid = |what: &str| HttpError::new(HttpErrorKind::Unknown, Error::new(ErrorKind::Config, what));
        let secret = self.secret.as_deref();
        if let Some((name, password)) = secret.and_then(|secret| secret.user.as_ref()) {
            let text = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
            let mut value = HeaderValue::try_from(text).map_err(|_| invalid("the user is no header"))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        if let Some(query) = secret.and_then(|secret| secret.query.as_ref()) {
            let uri = with_query(request.uri(), query).ok_or_else(|| invalid("the query is none of a URL"))?;
            *request.uri_mut() = uri;
            // A presigned address is signed for one HTTP method only.
            if request.method() == Method::HEAD {
                *request.method_mut() = Method::GET;
                request.headers_mut().insert(RANGE, HeaderValue::from_static("bytes=0-0"));
                return self.client.execute(request).await.map(head);
            }
        }
        let range = request.headers().get(RANGE).cloned();
        let response = self.client.execute(request).await?;
        match range {
            Some(range) => part(response, &range).await,
            None => Ok(response),
        }
    }
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{query}", uri.path()).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Turns the answer to a GET of the first byte into the answer that a HEAD would have received.
fn head(response: HttpResponse) -> HttpResponse {
    let size =
        response.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok()?.rsplit_once('/')?.1.parse().ok());
    let (mut parts, body) = response.into_parts();
    let size: u64 = match (parts.status, size) {
        (StatusCode::PARTIAL_CONTENT, Some(size)) => size,
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => 0,
        _ => return HttpResponse::from_parts(parts, body),
    };
    parts.status = StatusCode::OK;
    parts.headers.remove(CONTENT_RANGE);
    parts.headers.insert(CONTENT_LENGTH, size.into());
    HttpResponse::from_parts(parts, Bytes::new().into())
}
