//! What stands before every route: the request must be meant for this server, and be sent by one who may. A web
//! page must not be able to reach it, neither by a name of its own that resolves to our address (Host) nor across
//! origins (Origin); where tokens are known, one must come along.
//!
//! Pages of other origins have no access but by `--allow-origin` ([`cors`]).

mod cors;

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::str;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::http::uri::Uri;
use axum::http::{HeaderMap, HeaderValue, Request, header};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use crate::api::Code;
use crate::config::{Config, HostName, PageOrigin, PublicUrl, Tokens};
use crate::http::edge::logged::{CallerName, are_requests_logged};
use crate::http::edge::problem::Problem;
use crate::service::Caller;
use cors::Sharing;

/// Paths that orchestrators probe by whatever name they know; they tell little and change nothing.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// What says how the server is used, and by whom it may be probed: they need no token. A client generator or a
/// browser that reads them has none yet.
const OPEN: [&str; 5] = ["/livez", "/readyz", "/openapi.json", "/openapi-3.0.json", "/docs"];

/// Whether the path needs no token.
pub fn is_open(path: &str) -> bool {
    OPEN.contains(&path) || path.starts_with("/docs/")
}

/// Who may come in.
#[derive(Debug, Clone, Default)]
pub struct AccessPolicy {
    /// Names that Host may be besides IP literals and `localhost`.
    pub hosts: Vec<HostName>,
    /// Whose origin may call besides the server's own.
    pub public_url: Option<PublicUrl>,
    /// Whose pages may call, too.
    pub origins: Vec<PageOrigin>,
    /// One of these must come along; `None` where nobody is asked.
    pub tokens: Option<Arc<Tokens>>,
}

impl AccessPolicy {
    /// As configured.
    pub fn of(config: &Config) -> Self {
        Self {
            hosts: config.allow_hosts.clone(),
            public_url: config.public_url.clone(),
            origins: config.allow_origins.clone(),
            tokens: config.tokens.as_ref().map(|file| Arc::clone(&file.tokens)),
        }
    }

    fn has_host(&self, name: &str) -> bool {
        self.hosts.iter().any(|allowed| allowed.as_str().eq_ignore_ascii_case(name))
    }

    /// With whom the answer to a request is shared; `None` where that is nobody's, whoever asks.
    fn sharing(&self, headers: &HeaderMap) -> Option<Sharing> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = only(headers, header::ORIGIN).filter(|origin| self.has_origin(origin));
        Some(Sharing { origin: origin.cloned() })
    }

    fn has_origin(&self, origin: &HeaderValue) -> bool {
        let text = origin.as_bytes();
        self.origins.iter().any(|allowed| allowed.as_str().as_bytes().eq_ignore_ascii_case(text))
    }

    fn is_public(&self, origin: &HeaderValue) -> bool {
        let public = self.public_url.as_ref().map(PublicUrl::origin);
        public.is_some_and(|public| public.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessError {
    /// 421 `wrong-host`.
    WrongHost,
    /// 403 `wrong-origin`.
    WrongOrigin,
    /// 401 `unauthorized`, with what to send.
    Unauthorized(&'static str),
}

impl IntoResponse for AccessError {
    fn into_response(self) -> Response {
        match self {
            Self::WrongHost => Problem::new(
                Code::WrongHost,
                "Host must be given once and be an IP address, localhost or an --allow-host name, with or \
                 without a port",
            ),
            Self::WrongOrigin => Problem::new(
                Code::WrongOrigin,
                "the request comes from a web page of another origin than this server's, --public-url or one of \
                 --allow-origin",
            ),
            Self::Unauthorized(detail) => return unauthorized(detail),
        }
        .into_response()
    }
}

fn unauthorized(detail: &'static str) -> Response {
    let problem = Problem::new(Code::Unauthorized, detail);
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Says whether a request with this target and these headers may be served, and who asks.
pub fn check(target: &Uri, headers: &HeaderMap, policy: &AccessPolicy) -> Result<Caller, AccessError> {
    check_target(target, headers, policy)?;
    match &policy.tokens {
        Some(tokens) if !is_open(target.path()) => check_token(headers, tokens),
        Some(_) | None => Ok(Caller::default()),
    }
}

/// `Authorization: Bearer TOKEN`, once; the scheme's case does not matter.
fn check_token(headers: &HeaderMap, tokens: &Tokens) -> Result<Caller, AccessError> {
    let Some(value) = only(headers, header::AUTHORIZATION).map(HeaderValue::as_bytes) else {
        let detail = if headers.contains_key(header::AUTHORIZATION) {
            "Authorization must be sent once"
        } else {
            "send a token of the server's --token-file as Authorization: Bearer TOKEN"
        };
        return Err(AccessError::Unauthorized(detail));
    };
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(AccessError::Unauthorized(
            "the scheme must be Bearer, as in Authorization: Bearer TOKEN",
        ));
    }
    match tokens.identify(token.trim_ascii()) {
        Some(name) => Ok(Caller { name: Some(Arc::clone(name)), request_id: None }),
        None => Err(AccessError::Unauthorized("the token is not one of the server's --token-file")),
    }
}

/// The authority of an absolute target counts in Host's place (RFC 9112, 3.2.2).
fn check_target(target: &Uri, headers: &HeaderMap, policy: &AccessPolicy) -> Result<(), AccessError> {
    let host = match target.authority() {
        None => only(headers, header::HOST).map(HeaderValue::as_bytes),
        Some(authority) => Some(authority.as_str().as_bytes()),
    };
    if let Some(host) = host
        && is_usual(host)
        && !headers.contains_key(header::ORIGIN)
    {
        return Ok(());
    }
    if PROBES.contains(&target.path()) {
        return Ok(());
    }
    let host = host.and_then(parse_host).ok_or(AccessError::WrongHost)?;
    if !host.is_allowed(policy) {
        return Err(AccessError::WrongHost);
    }
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN);
    if origin.is_some_and(|origin| policy.is_public(origin) || policy.has_origin(origin)) {
        return Ok(());
    }
    // As browsers compare origins: a trailing dot makes another one.
    match origin.map(HeaderValue::as_bytes).and_then(parse_origin) {
        Some(origin) if origin.port == host.port && origin.name.eq_ignore_ascii_case(host.name) => Ok(()),
        Some(_) | None => Err(AccessError::WrongOrigin),
    }
}

/// The header's value if it was sent exactly once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { None } else { value }
}

/// The hot path: byte for byte what nearly every client sends.
fn is_usual(host: &[u8]) -> bool {
    let rest = host.strip_prefix(b"127.0.0.1").or_else(|| host.strip_prefix(b"localhost"));
    match rest {
        Some([]) => true,
        // Up to 9999 and from 10000 to 59999 no value has to be looked at.
        Some([b':', port @ ..]) => {
            matches!(port, [b'1'..=b'5', _, _, _, _] | [_, _, _, _]) && port.iter().all(u8::is_ascii_digit)
        }
        Some(_) | None => false,
    }
}

/// `name[:port]` as sent in Host and after the scheme of Origin.
#[derive(Debug, PartialEq, Eq)]
struct HostAndPort<'a> {
    /// As sent; an IPv6 address with its brackets.
    name: &'a str,
    /// 80 if it was not given: this server speaks `http` only.
    port: u16,
}

impl HostAndPort<'_> {
    fn is_allowed(&self, policy: &AccessPolicy) -> bool {
        if let Some(address) = self.name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        if self.name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        // The root's dot says the same name; of an address it makes a name.
        let name = self.name.strip_suffix('.').unwrap_or(self.name);
        name.eq_ignore_ascii_case("localhost") || policy.has_host(name)
    }
}

fn parse_host(bytes: &[u8]) -> Option<HostAndPort<'_>> {
    let text = str::from_utf8(bytes).ok()?;
    // The last colon outside brackets begins the port.
    let (name, port) = match text.rfind([':', ']']) {
        Some(at) if text.as_bytes()[at] == b':' => (&text[..at], parse_port(&text[at + 1..])?),
        Some(_) | None => (text, 80),
    };
    let bare_colon = name.contains(':') && !name.starts_with('[');
    if name.is_empty() || bare_colon { None } else { Some(HostAndPort { name, port }) }
}

/// Digits only, as `u16::from_str` would take a sign as well.
fn parse_port(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `null` and other schemes are no origin of ours.
fn parse_origin(bytes: &[u8]) -> Option<HostAndPort<'_>> {
    let (scheme, rest) = bytes.split_at_checked(b"http://".len())?;
    if scheme.eq_ignore_ascii_case(b"http://") { parse_host(rest) } else { None }
}

/// Puts [`Guard`] before a service.
#[derive(Debug, Clone, Default)]
pub struct GuardLayer {
    policy: Arc<AccessPolicy>,
}

impl GuardLayer {
    /// With who may come in.
    pub fn new(policy: AccessPolicy) -> Self {
        Self { policy: Arc::new(policy) }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, policy: Arc::clone(&self.policy) }
    }
}

/// Hands on what [`check`] lets pass and answers the rest. Put around the whole router rather than into it
/// (`Router::layer` boxes the future of each route once more).
#[derive(Debug, Clone)]
pub struct Guard<S> {
    inner: S,
    policy: Arc<AccessPolicy>,
}

impl<S, B> Service<Request<B>> for Guard<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible>,
    S::Future: Unpin,
{
    type Response = Response;
    type Error = Infallible;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (target, headers) = (request.uri(), request.headers());
        let sharing = self.policy.sharing(headers);
        // A browser asks without a token, before it sends one.
        if let Some(sharing) = &sharing
            && sharing.is_preflight(request.method(), headers)
        {
            let answer = match check_target(target, headers, &self.policy) {
                Ok(()) => sharing.preflight(),
                Err(refusal) => refusal.into_response(),
            };
            return GuardFuture::Answered(Some(answer));
        }
        match check(target, headers, &self.policy) {
            Ok(caller) => {
                let mut noted = None;
                if let Some(name) = &caller.name {
                    noted = are_requests_logged().then(|| CallerName(Arc::clone(name)));
                    request.extensions_mut().insert(caller);
                }
                GuardFuture::Passed(self.inner.call(request), OnAnswer { sharing, caller: noted })
            }
            Err(refusal) => {
                let on_answer = OnAnswer { sharing, caller: None };
                GuardFuture::Answered(Some(on_answer.put(refusal.into_response())))
            }
        }
    }
}

/// What the guard puts on an answer.
#[derive(Debug)]
pub struct OnAnswer {
    sharing: Option<Sharing>,
    /// Who asked, if that is to be logged.
    caller: Option<CallerName>,
}

impl OnAnswer {
    fn put(&self, mut answer: Response) -> Response {
        if let Some(caller) = &self.caller {
            answer.extensions_mut().insert(caller.clone());
        }
        match &self.sharing {
            Some(sharing) => sharing.on(answer),
            None => answer,
        }
    }
}

/// The future of [`Guard`].
#[derive(Debug)]
pub enum GuardFuture<F> {
    /// The inner service answers.
    Passed(F, OnAnswer),
    /// The guard does.
    Answered(Option<Response>),
}

impl<F> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::Passed(future, on_answer) => {
                let Ok(answer) = ready!(Pin::new(future).poll(cx));
                Poll::Ready(Ok(on_answer.put(answer)))
            }
            Self::Answered(answer) => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
        }
    }
}

#[cfg(test)]
mod tests;
