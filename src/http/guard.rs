//! What stands before every route: the request must be meant for this server. A web page must not be able to
//! reach it, neither by a name of its own that resolves to our address (Host) nor across origins (Origin).
//!
//! It knows nothing of tokens, and sends no CORS headers: pages of other origins have no access at all.

use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::str;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::uri::Uri;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use crate::http::problem::Problem;

/// Paths that orchestrators probe by whatever name they know; they tell little and change nothing.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Names that Host may be besides IP literals and `localhost`.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    names: Arc<[String]>,
}

impl AllowedHosts {
    /// Host names without a port; case does not matter.
    pub fn new(names: Vec<String>) -> Self {
        Self { names: names.into() }
    }

    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
    }
}

impl Default for AllowedHosts {
    /// None besides.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 421 `wrong-host`.
    WrongHost,
    /// 403 `wrong-origin`.
    WrongOrigin,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::WrongHost => Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "wrong-host",
                "Wrong Host",
                "Host must be given once and be an IP address or localhost, with or without a port",
            ),
            Self::WrongOrigin => Problem::new(
                StatusCode::FORBIDDEN,
                "wrong-origin",
                "Wrong Origin",
                "the request comes from a web page of another origin",
            ),
        }
        .into_response()
    }
}

/// Says whether a request with this target and these headers may be served.
///
/// The authority of an absolute target counts in Host's place (RFC 9112, 3.2.2).
pub fn check(target: &Uri, headers: &HeaderMap, allowed: &AllowedHosts) -> Result<(), Refusal> {
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
    let host = host.and_then(parse_host).ok_or(Refusal::WrongHost)?;
    if !host.is_allowed(allowed) {
        return Err(Refusal::WrongHost);
    }
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN).map(HeaderValue::as_bytes).and_then(parse_origin);
    // As browsers compare origins: a trailing dot makes another one.
    match origin {
        Some(origin) if origin.port == host.port && origin.name.eq_ignore_ascii_case(host.name) => Ok(()),
        Some(_) | None => Err(Refusal::WrongOrigin),
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
    fn is_allowed(&self, allowed: &AllowedHosts) -> bool {
        if let Some(address) = self.name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        if self.name.parse::<Ipv4Addr>().is_ok() {
            return true;
        }
        // The root's dot says the same name; of an address it makes a name.
        let name = self.name.strip_suffix('.').unwrap_or(self.name);
        name.eq_ignore_ascii_case("localhost") || allowed.has(name)
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
    allowed: AllowedHosts,
}

impl GuardLayer {
    /// With the names that Host may be besides the ones always allowed.
    pub fn new(allowed: AllowedHosts) -> Self {
        Self { allowed }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, allowed: self.allowed.clone() }
    }
}

/// Hands on what [`check`] lets pass and answers the rest. Put around the whole router rather than into it
/// (`Router::layer` boxes the future of each route once more).
#[derive(Debug, Clone)]
pub struct Guard<S> {
    inner: S,
    allowed: AllowedHosts,
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

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match check(request.uri(), request.headers(), &self.allowed) {
            Ok(()) => GuardFuture::Passed(self.inner.call(request)),
            Err(refusal) => GuardFuture::Refused(refusal),
        }
    }
}

/// The future of [`Guard`].
#[derive(Debug)]
pub enum GuardFuture<F> {
    /// The inner service answers.
    Passed(F),
    /// The guard does.
    Refused(Refusal),
}

impl<F> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response, Infallible>> + Unpin,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.get_mut() {
            Self::Passed(future) => Pin::new(future).poll(cx),
            Self::Refused(refusal) => Poll::Ready(Ok(refusal.into_response())),
        }
    }
}

#[cfg(test)]
mod tests;
