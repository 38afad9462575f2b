//! The accept loop: takes connections, runs HTTP/1 on them, and closes them when they are overdue or when the
//! server ends.
//!
//! It knows no routes. No timer is made per request: connections note what they are at, one sweep looks
//! after all of them. Errors in a request's head (400, 414, 431) are answered by hyper, with empty bodies.

mod connection;
mod overload;
mod registry;
mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tower::Service;

use connection::{AnswerBody, ConnectionState, Io, RequestBody};
use overload::Overload;
use registry::Registry;
use stream::Stream;

use crate::http::edge::logged::{Peer, are_requests_logged};
use crate::jobs::AnswerBytes;

/// Bytes of a request's line and headers (431 beyond). How many headers there may be stays hyper's 100: a
/// number of our own would cost an allocation per request.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of a body that are read ahead of the handler, per connection.
const READ_AHEAD_BYTES_MAX: usize = 256 << 10;
/// Connections that may wait to be accepted, if the system allows as many (it cuts the number to its own).
const ACCEPT_BACKLOG: i32 = 4_096;
/// Pauses after a failed accept (most likely the process is out of descriptors).
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(50);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// While accepts fail and succeed by turns, the log says so once in this time.
const ACCEPT_FAILURES_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Where connections come from.
#[derive(Debug)]
pub enum Listener {
    /// A TCP address.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// The bounds of connections.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// One more is answered 503 and closed.
    pub connections_max: usize,
    /// From a request's first byte to the end of its head.
    pub head_timeout: Duration,
    /// Between two requests, and before the first.
    pub idle_timeout: Duration,
    /// A client that takes no byte of its answer for so long is left.
    pub write_stall_timeout: Duration,
    /// How long connections may take to finish what they are at once the server is closing.
    pub grace: Duration,
    /// Where answers count until they are written.
    pub answers: AnswerBytes,
    /// How long after the client of such a request has stopped sending it is asked (by `100 Continue`) whether it
    /// still reads; of one that has left, the handler is dropped then.
    pub asks_after: fn(&Uri) -> Duration,
}

/// What the server is told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerStage {
    /// Connections are accepted.
    Serving,
    /// No new ones; those there are may finish their request. There is no way back.
    Closing,
}

/// Serves until `stage` is [`ServerStage::Closing`] (or its sender is gone), then closes the listener and the idle
/// connections, and returns when the others have finished their requests, or after `grace`.
///
/// `service` is cloned and called per request without asking `poll_ready`: it must always be ready, as axum's
/// routers are. A `Router` is best given its state (`with_state`) before, or each request converts a route.
/// Dropping the future closes every connection.
pub async fn serve<S>(
    listener: Listener,
    service: S,
    options: ServerOptions,
    mut stage: watch::Receiver<ServerStage>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let registry = Registry::new(&options);
    let _ends_all = registry.end_all_on_drop();
    let acceptor = Acceptor {
        http: http_settings(),
        connections_max: options.connections_max,
        overload: Overload::new(options.connections_max),
        registry: Arc::clone(&registry),
        asks_after: options.asks_after,
        service,
    };
    tokio::select! {
        () = accept(listener, acceptor) => {}
        () = registry.sweep() => {}
        // An error means that nobody is left who could ask for it.
        _ = stage.wait_for(|stage| *stage == ServerStage::Closing) => {}
    }
    registry.start_closing();
    tokio::select! {
        () = registry.all_gone() => {}
        () = registry.sweep() => {}
        () = registry.end_finished() => {}
        () = tokio::time::sleep(options.grace) => {
            tracing::debug!(connections = registry.len(), "connections cut: the grace is over");
        }
    }
}

fn http_settings() -> http1::Builder {
    let mut http = http1::Builder::new();
    // A client that leaves ends its request: its handler is dropped (one that half-closes does not: see
    // `ConnectionState`). The head's time is ours to watch.
    http.half_close(false).keep_alive(true).header_read_timeout(None);
    http.max_header_size(HEAD_BYTES_MAX).max_buf_size(READ_AHEAD_BYTES_MAX);
    http
}

/// Accepts for ever. A failure is waited out, longer each time.
async fn accept<S>(listener: Listener, acceptor: Acceptor<S>)
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    listener.prepare();
    let mut pause = ACCEPT_PAUSE_MIN;
    let mut told: Option<Instant> = None;
    loop {
        match listener.next().await {
            Ok(stream) => {
                pause = ACCEPT_PAUSE_MIN;
                acceptor.take(stream);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if told.is_none_or(|at| at.elapsed() >= ACCEPT_FAILURES_TOLD_EVERY) {
                    tracing::warn!(%error, "no connection can be accepted; trying again");
                    told = Some(Instant::now());
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// Errors that an accept brings from the one connection it was about (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    [Kind::ConnectionAborted, Kind::ConnectionReset, Kind::Interrupted].contains(&error.kind())
}

impl Listener {
    /// Room for a burst of new connections, and what TCP connections inherit from their listener: answers
    /// leave at once, and a client that vanished without a word is noticed some day, however long its
    /// request may wait.
    fn prepare(&self) {
        let backlog = Backlog::new(ACCEPT_BACKLOG);
        let set = match self {
            Self::Tcp(listener) => backlog
                .and_then(|backlog| listen(listener, backlog))
                .and_then(|()| setsockopt(listener, sockopt::TcpNoDelay, &true))
                .and_then(|()| setsockopt(listener, sockopt::KeepAlive, &true)),
            Self::Unix(listener) => backlog.and_then(|backlog| listen(listener, backlog)),
        };
        if let Err(error) = set {
            tracing::warn!(%error, "options of the listening socket could not be set");
        }
    }

    async fn next(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

/// What a new connection is given.
struct Acceptor<S> {
    http: http1::Builder,
    connections_max: usize,
    overload: Overload,
    registry: Arc<Registry>,
    asks_after: fn(&Uri) -> Duration,
    service: S,
}

impl<S> Acceptor<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    fn take(&self, stream: Stream) {
        if self.registry.len() >= self.connections_max {
            self.overload.turn_away(stream);
            return;
        }
        let peer = are_requests_logged().then(|| stream.peer()).flatten().map(Peer);
        let state = ConnectionState::new(Arc::clone(&self.registry), &stream);
        let io = TokioIo::new(Io::new(stream, Arc::clone(&state)));
        let of_requests = Arc::clone(&state);
        let service = self.service.clone();
        let asks_after = self.asks_after;
        let connection = self.http.serve_connection(
            io,
            service_fn(move |request: Request<Incoming>| {
                let in_flight = of_requests.begin_request(request.version(), asks_after(request.uri()));
                let registry = Arc::clone(of_requests.registry());
                let mut request = request.map(|body| hide(body, &of_requests));
                if let Some(peer) = peer {
                    request.extensions_mut().insert(peer);
                }
                let answer = service.clone().call(request);
                async move {
                    let mut response = answer.await?;
                    if response.body().size_hint().exact().is_none() {
                        in_flight.stream();
                    }
                    // A body that nobody read to its end stands before the next request: there can be none.
                    if registry.is_closing() || in_flight.body_is_unread() {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(header::CONNECTION, close);
                    }
                    Ok::<_, Infallible>(response.map(|body| AnswerBody::new(body, in_flight)))
                }
            }),
        );
        self.registry.spawn(state, async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

/// The request's body as handlers know it. Most requests that have none cost nothing.
fn hide(body: Incoming, state: &Arc<ConnectionState>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(RequestBody::new(body, Arc::clone(state)))
}
