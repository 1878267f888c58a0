//! Serves the state of a scheduler over HTTP.
//!
//! There are three pages without parameters, so hyper alone serves them. A framework on top of it, such as axum, would
//! not replace the limits on connections and times, which are most of this file.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use chrono::Utc;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
    task::{AbortHandle, JoinSet},
};

use super::status::Status;

/// Maximum number of connections at a time.
const CONNECTIONS: usize = 128;
/// A connection ends after this time, whatever it is waiting for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to serve: a port on this machine only, or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(SocketAddr);

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |_| "write a port, e.g. 8090, or an address with one, e.g. 0.0.0.0:8090".to_owned();
        match text.parse::<u16>() {
            Ok(port) => Ok(Self((Ipv4Addr::LOCALHOST, port).into())),
            Err(_) => text.parse().map(Self).map_err(wrong),
        }
    }
}

/// A server, which runs until it is dropped.
pub(super) struct Health {
    /// Its address.
    pub(super) address: SocketAddr,
    _stop: oneshot::Sender<Infallible>,
}

impl Health {
    /// Serves the state in `status` from a thread of its own, so that answers do not wait for computations in other
    /// threads.
    pub(super) fn serve(address: &Address, status: Arc<Status>) -> anyhow::Result<Self> {
        let cannot = || format!("cannot serve the state at {}", address.0);
        let listener = std::net::TcpListener::bind(address.0).with_context(cannot)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().with_context(cannot)?;
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let serve = move || {
            runtime.block_on(async {
                // This cannot fail for a listener that was just created.
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(listener, status) => {}
                    // The other end of the channel was dropped.
                    _ = stopped => {}
                }
            });
        };
        std::thread::Builder::new().name("health".to_owned()).spawn(serve).with_context(cannot)?;
        Ok(Self { address: bound, _stop: stop })
    }
}

/// Serves every connection at once. If there are too many, the oldest are closed; normal requests are answered long
/// before.
async fn accept(listener: TcpListener, status: Arc<Status>) {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        by_age.retain(|connection| !connection.is_finished());
        if by_age.len() == CONNECTIONS || accepted.is_err() {
            by_age.pop_front().inspect(AbortHandle::abort);
        }
        match accepted {
            Ok((connection, _)) => by_age.push_back(connections.spawn(serve(connection, status.clone()))),
            // The client has gone, or the process has no file descriptors left.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(connection: TcpStream, status: Arc<Status>) {
    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, &status))));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    // A client without an answer notices that itself.
    let _ = tokio::time::timeout(PATIENCE, server.serve_connection(TokioIo::new(connection), answer)).await;
}

fn answer(request: &Request<Incoming>, status: &Status) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET alone\n".to_owned());
    }
    let now = Utc::now();
    match request.uri().path() {
        "/healthz" => {
            let (ok, state) = status.health(now);
            let code = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(code, "application/json", format!("{state}\n"))
        }
        "/livez" => {
            let (alive, text) = if status.is_stuck(now) {
                (StatusCode::SERVICE_UNAVAILABLE, "stuck: something is due and not begun\n")
            } else {
                (StatusCode::OK, "alive\n")
            };
            response(alive, TEXT, text.to_owned())
        }
        "/metrics" => response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", status.metrics(now)),
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /livez, /healthz and /metrics\n".to_owned()),
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
