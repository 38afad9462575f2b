//! What pages of the origins of `--allow-origin` are told by their browser (the Fetch standard's CORS protocol): that
//! they may send this request, and read its answer.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Methods that the API has.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
/// Request headers that it reads.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "accept, authorization, content-type, idempotency-key, if-none-match, last-event-id, x-request-id",
);
/// Headers of answers that say something to a client, beyond those that a page may always read.
const ANSWER_HEADERS: HeaderValue =
    HeaderValue::from_static("etag, forkpool-job, location, retry-after, www-authenticate, x-request-id");
/// Seconds that a browser may remember it: as long as any does.
const REMEMBERED: HeaderValue = HeaderValue::from_static("86400");

/// With whom an answer is shared.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The origin that asks, if it is one of those that may; none for any other request.
    pub origin: Option<HeaderValue>,
}

impl Sharing {
    /// Whether this asks what a page may do.
    pub fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.origin.is_some()
            && *method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The answer to that.
    pub fn preflight(&self) -> Response {
        let headers = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ];
        self.on((StatusCode::NO_CONTENT, headers).into_response())
    }

    /// An answer that the page may read. Caches keep it apart from those to others.
    pub fn on(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
        response
    }
}
