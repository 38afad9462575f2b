//! `X-Request-Id`: taken from the request if it is a good one, or made, and answered. And a line of the log for each
//! request, at the level debug.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, Method, Request};
use axum::response::Response;
use tower::Service;

use super::idempotency::KEY_HEADER;
use crate::http::edge::headers::{JOB_HEADER, REQUEST_ID_HEADER, request_id_value};
use crate::http::edge::logged::{CallerName, Peer, REQUESTS_TARGET, are_requests_logged};
use crate::jobs::RequestId;

/// Most bytes of a path in the log.
const PATH_BYTES_MAX: usize = 256;

/// Sees to it that each answer has its request's id.
#[derive(Debug, Clone)]
pub struct Identified<S> {
    inner: S,
}

impl<S> Identified<S> {
    /// Before this service.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Request<B>> for Identified<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = IdentifiedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let line_is_wanted = are_requests_logged();
        let id = match sent_id(request.headers()) {
            Sent::Good(id) => Some(id.clone()),
            // Whoever needs an id makes one, or it is made with the answer: most requests are answered at less cost so.
            Sent::Nothing if !line_is_wanted && !request.headers().contains_key(KEY_HEADER) => None,
            Sent::Nothing | Sent::Bad => {
                let id = request_id_value(&RequestId::make());
                request.headers_mut().insert(REQUEST_ID_HEADER, id.clone());
                Some(id)
            }
        };
        let line = id.as_ref().filter(|_| line_is_wanted);
        let line = line.map(|id| Box::new(RequestLine::of(&request, id.clone())));
        IdentifiedFuture { inner: self.inner.call(request), id, line }
    }
}

/// What a client sent as its request's id.
enum Sent<'a> {
    Nothing,
    Good(&'a HeaderValue),
    /// More than one, too long, or not all visible.
    Bad,
}

fn sent_id(headers: &HeaderMap) -> Sent<'_> {
    let mut sent = headers.get_all(REQUEST_ID_HEADER).iter();
    match (sent.next(), sent.next()) {
        (None, _) => Sent::Nothing,
        (Some(id), None) if RequestId::is_good(id.as_bytes()) => Sent::Good(id),
        (Some(_), _) => Sent::Bad,
    }
}

/// The future of [`Identified`].
#[derive(Debug)]
pub struct IdentifiedFuture<F> {
    inner: F,
    /// If it is known already.
    id: Option<HeaderValue>,
    line: Option<Box<RequestLine>>,
}

impl<F> Future for IdentifiedFuture<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let Ok(mut response) = ready!(Pin::new(&mut this.inner).poll(cx));
        if let Some(line) = this.line.take() {
            line.answered(&response);
        }
        let headers = response.headers_mut();
        match this.id.take() {
            Some(id) => {
                headers.insert(REQUEST_ID_HEADER, id);
            }
            None if headers.contains_key(REQUEST_ID_HEADER) => {}
            None => {
                headers.insert(REQUEST_ID_HEADER, request_id_value(&RequestId::make()));
            }
        }
        Poll::Ready(Ok(response))
    }
}

/// What the log says of a request, once it is answered or its client has left.
#[derive(Debug)]
struct RequestLine {
    method: Method,
    path: String,
    id: HeaderValue,
    peer: Option<SocketAddr>,
    start: Instant,
    is_answered: bool,
}

impl RequestLine {
    fn of<B>(request: &Request<B>, id: HeaderValue) -> Self {
        let path = request.uri().path();
        let path = path[..path.floor_char_boundary(PATH_BYTES_MAX)].to_owned();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        Self { method: request.method().clone(), path, id, peer, start: Instant::now(), is_answered: false }
    }

    /// Of a stream, its beginning.
    fn answered(mut self, response: &Response) {
        self.is_answered = true;
        let caller = response.extensions().get::<CallerName>();
        let job = response.headers().get(JOB_HEADER).and_then(|id| id.to_str().ok());
        tracing::debug!(
            target: REQUESTS_TARGET,
            method = self.method.as_str(),
            path = self.path,
            status = response.status().as_u16(),
            ms = self.milliseconds(),
            request_id = text(&self.id),
            job,
            caller = caller.map(|caller| &*caller.0),
            peer = self.peer.map(tracing::field::display),
            "a request was answered"
        );
    }

    fn milliseconds(&self) -> f64 {
        (self.start.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        if !self.is_answered {
            tracing::debug!(
                target: REQUESTS_TARGET,
                method = self.method.as_str(),
                path = self.path,
                ms = self.milliseconds(),
                request_id = text(&self.id),
                peer = self.peer.map(tracing::field::display),
                "a client left before its answer"
            );
        }
    }
}

fn text(id: &HeaderValue) -> &str {
    id.to_str().unwrap_or_default()
}
