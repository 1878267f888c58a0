//! Connections to workers, of sessions and of other workers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use datafusion::{
    arrow::array::RecordBatch,
    common::{DataFusionError, Result},
    execution::TaskContext,
    physical_plan::metrics::ExecutionPlanMetricsSet,
};
use datafusion_distributed::{
    ChannelResolver, CoordinatorToWorkerMsg, ExecuteTaskRequest, GetWorkerInfoRequest, GetWorkerInfoResponse,
    SetPlanRequest, WorkerChannel, WorkerToCoordinatorMsg,
    grpc::{BoxCloneSyncChannel, create_worker_client},
};
use futures::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use lamcat_core::error::{Error, ErrorKind};
use tonic::{body::Body, transport::Endpoint};
use tower::ServiceBuilder;
use url::Url;

use crate::lost::or_lost;

/// The time after which a worker that does not answer counts as lost.
pub const SILENCE: Duration = QUESTION_EVERY.saturating_add(ANSWER_WITHIN);
/// The time between questions whether the other side is still there.
pub(crate) const QUESTION_EVERY: Duration = Duration::from_secs(5);
/// The time that a question waits for its answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The time that a connection may take to be opened.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Opens connections and keeps them.
#[derive(Clone)]
pub(crate) struct Channels {
    open: Arc<Mutex<HashMap<Url, BoxCloneSyncChannel>>>,
    token: Option<HeaderValue>,
}

impl Channels {
    /// Connections that show `token` to every worker.
    ///
    /// # Errors
    /// If the token has characters that a header cannot have.
    pub(crate) fn new(token: Option<&str>) -> Result<Self, Error> {
        let token = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| Error::new(ErrorKind::Config, "the token has characters that a header cannot have"))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        Ok(Self { open: Arc::default(), token: token.transpose()? })
    }

    /// What the `authorization` header of every request contains.
    pub(crate) fn token(&self) -> Option<&HeaderValue> {
        self.token.as_ref()
    }

    fn channel(&self, url: &Url) -> Result<BoxCloneSyncChannel, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let wrong = |e| Error::new(ErrorKind::Config, "not the address of a worker").at("worker", url).source(e);
        let endpoint = Endpoint::from_shared(url.to_string()).map_err(wrong)?;
        let channel = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(QUESTION_EVERY)
            .keep_alive_timeout(ANSWER_WITHIN)
            .keep_alive_while_idle(true)
            .connect_lazy();
        let token = self.token.clone();
        let with_token = move |mut request: http::Request<Body>| {
            if let Some(token) = &token {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
            }
            request
        };
        let channel = BoxCloneSyncChannel::new(ServiceBuilder::new().map_request(with_token).service(channel));
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl ChannelResolver for Channels {
    async fn get_worker_client_for_url(&self, url: &Url) -> Result<Box<dyn WorkerChannel>> {
        let client = create_worker_client(self.channel(url)?);
        Ok(Box::new(Watched { client, url: url.clone() }))
    }
}

/// A connection whose failures are told apart from those of the query.
struct Watched {
    client: Box<dyn WorkerChannel>,
    url: Url,
}

impl Watched {
    fn stream<T: Send + 'static>(&self, stream: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let url = self.url.clone();
        stream.map(move |item| item.map_err(|e| or_lost(e, &url))).boxed()
    }

    fn or_lost(&self, error: DataFusionError) -> DataFusionError {
        or_lost(error, &self.url)
    }
}

#[async_trait]
impl WorkerChannel for Watched {
    async fn coordinator_channel(
        &mut self,
        headers: HeaderMap,
        plan: SetPlanRequest,
        messages: BoxStream<'static, CoordinatorToWorkerMsg>,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<BoxStream<'static, Result<WorkerToCoordinatorMsg>>> {
        let answers = self.client.coordinator_channel(headers, plan, messages, metrics, task).await;
        answers.map(|answers| self.stream(answers)).map_err(|e| self.or_lost(e))
    }

    async fn execute_task(
        &mut self,
        headers: HeaderMap,
        request: ExecuteTaskRequest,
        metrics: ExecutionPlanMetricsSet,
        task: &Arc<TaskContext>,
    ) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let streams = self.client.execute_task(headers, request, metrics, task).await;
        let streams = streams.map_err(|e| self.or_lost(e))?;
        let mut streams: Vec<_> = streams.into_iter().map(|stream| self.stream(stream)).collect();
        // The request is sent when a stream is first polled. A join polls one side only when it has all rows of the other, and
        // by then the worker may have forgotten a stage that nobody asked for.
        if let Some(first) = streams.first_mut()
            && let Some(item) = first.next().now_or_never()
        {
            let rest = std::mem::replace(first, stream::empty().boxed());
            *first = stream::iter(item).chain(rest).boxed();
        }
        Ok(streams)
    }

    async fn get_worker_info(&mut self, request: GetWorkerInfoRequest) -> Result<GetWorkerInfoResponse> {
        self.client.get_worker_info(request).await.map_err(|e| self.or_lost(e))
    }
}
