//! The state of a scheduler over HTTP.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use bytes::Bytes;
use chrono::Utc;
use datafusion::common::runtime::SpawnedTask;
use futures::StreamExt;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::board::Board;

/// Connections at a time; others wait.
const CONNECTIONS: usize = 16;
/// A connection ends after so long, whatever it waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to serve: a port of this machine alone, or an address.
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

/// A server, until it is dropped.
pub(super) struct Health {
    /// Where it is.
    pub(super) address: SocketAddr,
    _server: SpawnedTask<()>,
}

impl Health {
    /// Serves the state that `board` shows.
    pub(super) async fn serve(address: &Address, board: Arc<Board>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address.0).await;
        let listener = listener.with_context(|| format!("cannot serve the state at {}", address.0))?;
        let address = listener.local_addr()?;
        let connections = futures::stream::unfold(listener, |listener| async {
            loop {
                match listener.accept().await {
                    Ok((connection, _)) => return Some((connection, listener)),
                    // Out of files, or the other side has gone.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        let server = connections.for_each_concurrent(CONNECTIONS, move |connection| serve(connection, board.clone()));
        Ok(Self { address, _server: SpawnedTask::spawn(server) })
    }
}

async fn serve(connection: TcpStream, board: Arc<Board>) {
    let answer = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, &board))));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).keep_alive(false);
    // Whoever asks sees for himself if there is no answer.
    let _ = tokio::time::timeout(PATIENCE, server.serve_connection(TokioIo::new(connection), answer)).await;
}

fn answer(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET alone\n".to_owned());
    }
    let now = Utc::now();
    match request.uri().path() {
        "/healthz" => {
            let (ok, state) = board.health(now);
            let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            response(status, "application/json", format!("{state}\n"))
        }
        "/metrics" => response(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", board.metrics(now)),
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /healthz and /metrics\n".to_owned()),
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
