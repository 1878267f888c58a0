//! The workers of a cluster, and which of them are there.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use datafusion::common::{DataFusionError, Result};
use datafusion_distributed::{ChannelResolver, GetWorkerInfoRequest, WorkerResolver};
use futures::future::join_all;
use lamcat_core::error::{Error, ErrorKind, without_secrets};
use url::Url;

use crate::{channels::Channels, lost::in_words, settings::VERSION};

/// The time that a worker has to say that it is there.
const PRESENT_WITHIN: Duration = Duration::from_secs(3);
/// The port of workers whose address has none.
const PORT: u16 = 8815;

/// The workers that stages are given to.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    /// The addresses as given; a host may have several addresses, each of which is a worker.
    given: Vec<Url>,
    channels: Channels,
    /// The workers that answered when they were last asked.
    present: Mutex<Vec<Url>>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Cluster").field("given", &self.inner.given).finish_non_exhaustive()
    }
}

/// What a worker said when it was asked whether it is there.
#[derive(Debug)]
pub struct Answer {
    /// Its address.
    pub worker: Url,
    /// Its version, or why there is none.
    pub version: Result<String, DataFusionError>,
}

impl Answer {
    /// Whether stages can be given to the worker.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.version.as_ref().is_ok_and(|version| version == VERSION)
    }

    /// The worker's version, or why there is none, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        self.version.as_ref().map_or_else(in_words, String::clone)
    }
}

impl Cluster {
    /// The workers at the given addresses, such as `10.0.0.7:8815` or `http://workers.lamcat:8815`; all addresses of a host
    /// are workers. `token` is shown to all of them.
    ///
    /// # Errors
    /// If one is not an address.
    pub fn new(addresses: &[String], token: Option<&str>) -> Result<Self, Error> {
        let given = addresses.iter().map(|text| address(text)).collect::<Result<Vec<_>, Error>>()?;
        if given.is_empty() {
            return Err(Error::new(ErrorKind::Config, "a cluster has at least one worker"));
        }
        let inner = Inner { given, channels: Channels::new(token)?, present: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks every worker whether it is there.
    pub async fn ask(&self) -> Vec<Answer> {
        let workers = join_all(self.inner.given.iter().map(resolved)).await;
        join_all(workers.into_iter().flatten().map(|worker| self.ask_one(worker))).await
    }

    async fn ask_one(&self, worker: Url) -> Answer {
        let asked = async {
            let mut client = self.inner.channels.get_worker_client_for_url(&worker).await?;
            Ok(client.get_worker_info(GetWorkerInfoRequest {}).await?.version)
        };
        let silent = |_| Err(Error::new(ErrorKind::Io, "the worker does not answer").at("worker", &worker).into());
        let version = tokio::time::timeout(PRESENT_WITHIN, asked).await.unwrap_or_else(silent);
        Answer { worker, version }
    }

    /// The connections to the workers.
    pub(crate) fn channels(&self) -> &Channels {
        &self.inner.channels
    }

    /// The workers that answered when they were last asked.
    pub(crate) fn present(&self) -> Present {
        Present(self.inner.clone())
    }

    /// Finds out which workers are there.
    ///
    /// # Errors
    /// If none is, or one refuses this session.
    pub(crate) async fn look(&self) -> Result<()> {
        let mut present = Vec::new();
        let mut reasons = Vec::new();
        for answer in self.ask().await {
            match &answer.version {
                _ if answer.is_usable() => present.push(answer.worker),
                Ok(version) => reasons.push(format!("{} is {version}, this is {VERSION}", answer.worker)),
                Err(e) => reasons.push(in_words(e)),
            }
        }
        let none = present.is_empty();
        *self.inner.present.lock().unwrap_or_else(PoisonError::into_inner) = present;
        if none {
            let error =
                Error::new(ErrorKind::Io, format!("the cluster has no worker for this: {}", reasons.join("; ")));
            return Err(error.hint("start workers with `lamcat cluster worker`; see `lamcat cluster status`").into());
        }
        for reason in reasons {
            tracing::warn!("a worker is left out: {reason}");
        }
        Ok(())
    }
}

/// The workers that answered.
pub(crate) struct Present(Arc<Inner>);

impl WorkerResolver for Present {
    fn get_urls(&self) -> Result<Vec<Url>> {
        let present = self.0.present.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A query of a single task would run in this process. Twice the same worker makes two tasks of it.
        Ok(if let [only] = &present[..] { vec![only.clone(), only.clone()] } else { present })
    }
}

fn address(text: &str) -> Result<Url, Error> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let shown = without_secrets(text);
    let wrong = || Error::new(ErrorKind::Config, format!("'{shown}' is not the address of a worker"));
    let mut url = Url::parse(&whole).map_err(|e| wrong().source(e))?;
    if url.scheme() != "http" || url.host().is_none() || url.path() != "/" || shows_more(&url) {
        return Err(wrong().hint("write HOST:PORT"));
    }
    if url.port().is_none() {
        url.set_port(Some(PORT)).map_err(|()| wrong())?;
    }
    Ok(url)
}

/// Whether a URL has more than scheme, host and port.
fn shows_more(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some()
}

/// All addresses of a host, of one kind if there are two; the address itself if it cannot be looked up, so that the attempt to reach it says why.
async fn resolved(url: &Url) -> Vec<Url> {
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else { return vec![url.clone()] };
    let Ok(addresses) = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await else {
        return vec![url.clone()];
    };
    let addresses: Vec<SocketAddr> = addresses.collect();
    let old = addresses.iter().any(SocketAddr::is_ipv4);
    let urls = addresses.into_iter().filter(|address| address.is_ipv4() == old).filter_map(|address| {
        let mut url = url.clone();
        url.set_ip_host(address.ip()).ok()?;
        Some(url)
    });
    let mut urls: Vec<Url> = urls.collect();
    urls.sort();
    urls.dedup();
    if urls.is_empty() { vec![url.clone()] } else { urls }
}
