//! A process that runs stages of the queries of others.

use std::{future::Future, sync::Arc};

use datafusion::{
    common::Result,
    execution::{SessionState, SessionStateBuilder},
    prelude::SessionConfig,
};
use datafusion_distributed::{DistributedConfig, DistributedExt, Worker, WorkerQueryContext};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_sql::session::Session;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Status, service::InterceptorLayer, transport::Server};

use crate::{
    channels::{ANSWER_WITHIN, Channels, QUESTION_EVERY},
    codec::Codec,
    panics,
    settings::{Settings, VERSION},
};

/// Largest plan that a worker accepts, in bytes. A plan names every file, with its statistics if they are known.
pub(crate) const PLAN_BYTES: usize = 256 << 20;

/// Runs stages that arrive at `listener` on the engine, memory and stores of `session` until `end`.
///
/// With a token, only requests that show it are answered, and the worker shows it to other workers. The process ends if
/// anything in it panics.
///
/// # Errors
/// If the token cannot be sent in a header, or the server fails.
pub async fn serve(
    session: Session,
    listener: TcpListener,
    token: Option<&str>,
    end: impl Future<Output = ()>,
) -> Result<(), Error> {
    panics::end_the_process();
    let channels = Channels::new(token)?;
    let needed = channels.token().cloned();
    let runtime = session.context().runtime_env();
    let state = move |query: WorkerQueryContext| {
        let state = state(&session, &channels, query);
        async move { state }
    };
    let worker = Worker::from_session_builder(state).with_runtime_env(runtime).with_version(VERSION);
    let check = move |request: Request<()>| match (&needed, request.metadata().get("authorization")) {
        (None, _) => Ok(request),
        (Some(token), Some(shown)) if equal(token.as_bytes(), shown.as_bytes()) => Ok(request),
        _ => Err(Status::unauthenticated("the token of the cluster is missing or wrong")),
    };
    Server::builder()
        .http2_keepalive_interval(Some(QUESTION_EVERY))
        .http2_keepalive_timeout(Some(ANSWER_WITHIN))
        .layer(InterceptorLayer::new(check))
        .add_service(worker.into_worker_server().max_decoding_message_size(PLAN_BYTES))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), end)
        .await
        .map_err(|e| Error::new(ErrorKind::Io, "the worker's server failed").source(e))
}

/// Compares in a time that does not tell where the difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

/// The state in which a stage runs: that of the worker, with the settings of the session that asks.
fn state(session: &Session, channels: &Channels, mut query: WorkerQueryContext) -> Result<SessionState> {
    let settings = Settings::from_headers(&query.headers)?;
    settings.check(session)?;
    let mut config: SessionConfig = query.builder.config().take().unwrap_or_default();
    let distributed = config.options().extensions.get::<DistributedConfig>().cloned().unwrap_or_default();
    *config.options_mut() = settings.options(session.context().copied_config().options())?;
    config.options_mut().extensions.insert(distributed);
    config.set_distributed_channel_resolver(channels.clone());
    config.set_distributed_user_codec(Codec::new(session.engine().clone()));
    config.set_distributed_passthrough_headers(settings.to_headers()?)?;
    let state = SessionStateBuilder::new_from_existing(session.context().state());
    Ok(state.with_config(config).with_runtime_env(Arc::clone(&session.context().runtime_env())).build())
}
