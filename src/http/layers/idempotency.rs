//! `Idempotency-Key`: a POST sent again under its key is answered again, and never run again.
//!
//! One mechanism before all routes; the keys themselves are in [`crate::jobs`]. What is answered once it has been done
//! is run by a task of its own, so that a client which leaves loses its answer alone: it gets that under the same key.
//! A submission's key goes with it, and is remembered with its job.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::Service;
use utoipa::IntoResponses;

use crate::api::{ExpiredProblem, IdempotencyMismatchProblem, Invalid};
use crate::http::app::App;
use crate::http::edge::body::{declared_length, read_body};
use crate::http::edge::extract::{HasKey, SentKey};
use crate::http::edge::negotiate::Takes;
use crate::http::edge::problem::Problem;
use crate::jobs::{Answer, Claim, ClaimGuard, Fingerprint, IdempotencyKey, StoredAnswer};
use crate::offload::offload;
use crate::service::Replay;

pub(super) const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// As users write it.
const KEY_NAME: &str = "Idempotency-Key";
const KEY_BYTES_MAX: usize = 255;
/// What is answered while it is made can't be answered twice.
const STREAMS: [&str; 4] = ["/v1/imap", "/v1/imap_unordered", "/v1/imap/stream", "/v1/imap_unordered/stream"];
/// Submissions: they are answered before their work is done. [`TYPED_CALLS`] has the others.
const SUBMISSIONS: [&str; 3] = ["/v1/apply_async", "/v1/map_async", "/v1/starmap_async"];
/// How the path of a submission with arguments by name begins and ends.
const TYPED_CALLS: (&str, &str) = ("/v1/functions/", "/call_async");

/// Runs each keyed POST once; hands on everything else.
#[derive(Debug, Clone)]
pub struct Keyed<S> {
    inner: S,
    app: Arc<App>,
}

impl<S> Keyed<S> {
    /// Before this service.
    pub fn new(inner: S, app: Arc<App>) -> Self {
        Self { inner, app }
    }
}

impl<S> Service<Request<Body>> for Keyed<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Unpin + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = KeyedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.method() != Method::POST || !request.headers().contains_key(KEY_HEADER) {
            return KeyedFuture::Plain(self.inner.call(request));
        }
        let (inner, app) = (self.inner.clone(), Arc::clone(&self.app));
        let answered =
            async move { answer(inner, &app, request).await.unwrap_or_else(Problem::into_response) };
        KeyedFuture::Keyed(Box::pin(answered))
    }
}

/// The future of [`Keyed`].
#[allow(missing_debug_implementations, reason = "a boxed future has nothing to show")]
pub enum KeyedFuture<F> {
    /// Without a key.
    Plain(F),
    /// With one.
    Keyed(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl<F> Future for KeyedFuture<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::Plain(future) => Pin::new(future).poll(cx),
            Self::Keyed(future) => future.as_mut().poll(cx).map(Ok),
        }
    }
}

/// Answers a request with a key: runs it, waits for the one that runs, or recalls what it was answered.
async fn answer<S>(inner: S, app: &Arc<App>, request: Request<Body>) -> Result<Response, Problem>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    let key = key_of(request.headers())?.to_owned();
    if STREAMS.contains(&request.uri().path()) || Takes::of(request.headers()).is_stream() {
        let detail = "what is answered as a stream can't be answered twice: leave Idempotency-Key out, accept \
                      application/json, or take map or map_async";
        return Err(Invalid::new(KEY_NAME, detail).into());
    }
    let (head, body) = request.into_parts();
    let declared = declared_length(&body, &head.headers);
    let limits = app.limits();
    let mut room = app.service.reserve();
    let body = read_body(body, declared, limits.body_bytes_max, limits.body_stall_timeout, &mut room).await;
    let body = body.map_err(|error| Problem::of_body(&error))?;
    let (target, text) = (head.uri.clone(), body.clone());
    let (fingerprint, room) = offload(body.len(), move || (fingerprint(&target, &text), room)).await;
    let is_submission = is_submission(head.uri.path());
    let mut request = Request::from_parts(head, Body::from(body));
    if is_submission {
        let key = IdempotencyKey { text: key.into(), fingerprint };
        if let Some(response) = app.recall(&key).await {
            return Ok(response);
        }
        request.extensions_mut().insert(SentKey(key));
        // The handler counts the same bytes.
        drop(room);
        let mut inner = inner;
        let Ok(response) = inner.call(request).await;
        return Ok(response);
    }
    let stored = match app.keys.begin(&key, fingerprint) {
        Claim::First(claim, pending) => {
            request.extensions_mut().insert(HasKey);
            drop(room);
            tokio::spawn(run(inner, request, claim));
            pending.answer().await
        }
        Claim::Running(pending) => {
            drop((room, request));
            pending.answer().await
        }
        Claim::Answered(stored) => stored,
        Claim::Mismatch => return Err(Problem::idempotency_mismatch()),
        Claim::Full(full) => return Err(Problem::keys_full(full)),
    };
    match stored {
        StoredAnswer::Answer(answer) => Ok(response_of(&answer)),
        StoredAnswer::Expired => Err(Problem::answer_expired()),
        StoredAnswer::Lost => Err(Problem::answer_lost()),
    }
}

fn is_submission(path: &str) -> bool {
    SUBMISSIONS.contains(&path) || (path.starts_with(TYPED_CALLS.0) && path.ends_with(TYPED_CALLS.1))
}

/// The key: 1 to 255 visible ASCII characters, given once.
fn key_of(headers: &HeaderMap) -> Result<&str, Invalid> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let key = values.next().map(HeaderValue::as_bytes).unwrap_or_default();
    if values.next().is_some() {
        return Err(Invalid::new(KEY_NAME, "the header Idempotency-Key is given twice"));
    }
    let good = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    let text = std::str::from_utf8(key).ok().filter(|_| good);
    text.ok_or_else(|| {
        Invalid::new(KEY_NAME, "Idempotency-Key must be 1 to 255 visible ASCII characters (a UUID, say)")
    })
}

/// What makes a request the same: its path, its query and the bytes of its body.
fn fingerprint(target: &Uri, body: &[u8]) -> Fingerprint {
    let mut digest = Sha256::new();
    for part in [target.path(), target.query().unwrap_or_default()] {
        digest.update(part.as_bytes());
        // Neither has a space.
        digest.update(b" ");
    }
    digest.update(body);
    digest.finalize().into()
}

/// Runs the request to its end, whoever waits for it.
async fn run<S>(mut inner: S, request: Request<Body>, claim: ClaimGuard)
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    let Ok(response) = inner.call(request).await;
    let (head, body) = response.into_parts();
    // Answers are whole by now; a claim that is dropped says that its answer was lost.
    let bytes = usize::try_from(hyper::body::Body::size_hint(&body).lower()).unwrap_or(usize::MAX);
    let Ok(body) = body.collect().await else { return };
    let body = offload(bytes, move || body.to_bytes()).await;
    let headers =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    // What says nothing never came to the service: it was refused before.
    let replay = head.extensions.get::<Replay>().copied().unwrap_or(Replay::AskAnew);
    let life = match replay {
        Replay::AskAnew => None,
        Replay::For(life) => Some(life),
    };
    let status = head.status.as_u16();
    claim.settle(Answer { status, headers: headers.collect(), body }, life);
}

fn response_of(answer: &Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &answer.headers {
        let name = HeaderName::try_from(name.as_str());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    // The connection says how long this one is.
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

/// Adds the key to every POST of the document that takes it.
pub fn describe(document: &mut Value) {
    let parameter = json!({
        "name": KEY_NAME, "in": "header", "required": false,
        "description": "The same key with the same request is answered again and never run again",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_BYTES_MAX, "pattern": "^[!-~]+$"},
    });
    let added = [ExpiredProblem::responses(), IdempotencyMismatchProblem::responses()];
    let added: Vec<(String, Value)> =
        added.into_iter().flatten().map(|(status, response)| (status, json!(response))).collect();
    let components = &mut document["components"]["responses"].take();
    for (path, operations) in document["paths"].as_object_mut().into_iter().flatten() {
        let Some(operation) = operations.get_mut("post").and_then(Value::as_object_mut) else { continue };
        if STREAMS.contains(&path.as_str()) {
            continue;
        }
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().into_iter().for_each(|list| list.push(parameter.clone()));
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
        for (status, own) in &added {
            match responses.get_mut(status) {
                Some(there) => *there = both(components, there, own),
                None => drop(responses.insert(status.clone(), own.clone())),
            }
        }
    }
    document["components"]["responses"] = components.take();
}

/// A response that is this one or the other, which is a component.
fn both(components: &mut Value, one: &Value, other: &Value) -> Value {
    let name = |response: &Value| {
        response["$ref"].as_str().and_then(|path| path.rsplit('/').next()).map(str::to_owned)
    };
    let text = |response: &Value| response["description"].as_str().unwrap_or_default().to_owned();
    let Some(other) = name(other) else { return one.clone() };
    let more = text(&components[&other]);
    let Some(name) = name(one) else {
        let mut both = one.clone();
        both["description"] = format!("{}; {more}", text(one)).into();
        return both;
    };
    let said = text(&components[&name]);
    if said.contains(&more) {
        return one.clone();
    }
    let said = if said.starts_with("- ") { said } else { format!("- {said}") };
    let both = format!("{name}Or{other}");
    components[&both] = components[&name].clone();
    components[&both]["description"] = format!("{said}\n- {more}").into();
    json!({"$ref": format!("#/components/responses/{both}")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(values: &[&[u8]]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY_HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        key_of(&headers).map(str::to_owned).map_err(|invalid| invalid.member)
    }

    #[test]
    fn a_key_is_visible_and_given_once() {
        let longest = [b'~'; 255];
        for good in [b"1".as_slice(), b"\"8e03978e\"", b"!~", &longest] {
            assert_eq!(key(&[good]).as_deref(), Ok(std::str::from_utf8(good).unwrap()));
        }
        for bad in [b"".as_slice(), b"a b", b"\tx", b"\xc3\xa9", &[b'x'; 256]] {
            assert_eq!(key(&[bad]), Err(KEY_NAME.into()), "{bad:?}");
        }
        assert_eq!(key(&[b"a", b"a"]), Err(KEY_NAME.into()));
    }

    #[test]
    fn a_request_is_its_path_query_and_body() {
        let print = |target: &str, body: &str| fingerprint(&target.parse().unwrap(), body.as_bytes());
        let one = print("/v1/apply", "{}");
        assert_eq!(one, print("http://127.0.0.1/v1/apply", "{}"));
        for (target, body) in [("/v1/apply", "{} "), ("/v1/apply?x=1", "{}"), ("/v1/map", "{}")] {
            assert_ne!(one, print(target, body), "{target} {body}");
        }
    }
}
