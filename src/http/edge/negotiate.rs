//! What a client sends and takes: content type and Accept.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use hyper::body::Body as _;

use super::ndjson::NDJSON;
use super::problem::Problem;
use super::sse::EVENT_STREAM;
use crate::api::Query;

const JSON: &str = "application/json";
pub(super) const OCTET_STREAM: &str = "application/octet-stream";

/// The form in which a client takes an answer that can have several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Takes {
    /// JSON, whatever else: what it says of other types is asked where they are offered.
    #[default]
    Json,
    /// JSON, and a bytes value as it is.
    Raw,
    /// A line for each thing that a call yields, and no JSON.
    Lines,
    /// An event for each, and neither lines nor JSON.
    Events,
}

impl Takes {
    /// As `Accept` says.
    pub fn of(headers: &HeaderMap) -> Self {
        let (mut json, mut raw, mut lines, mut events) = (false, false, false, false);
        for value in headers.get_all(header::ACCEPT) {
            // What most send.
            if value == "*/*" || value == JSON {
                json = true;
                continue;
            }
            for range in value.to_str().unwrap_or_default().split(',') {
                let (essence, is_refused) = essence_of(range);
                raw |= !is_refused && essence.eq_ignore_ascii_case(OCTET_STREAM);
                json |= allows(range, JSON);
                lines |= !is_refused && essence.eq_ignore_ascii_case(NDJSON);
                events |= !is_refused && essence.eq_ignore_ascii_case(EVENT_STREAM);
            }
        }
        if raw {
            Self::Raw
        } else if json {
            Self::Json
        } else if lines {
            Self::Lines
        } else if events {
            Self::Events
        } else {
            Self::Json
        }
    }

    /// Whether what a call yields is to be told as it comes.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Lines | Self::Events)
    }
}

/// A request without a query that takes JSON for an answer: what most operations want. Checked before the handler
/// runs.
pub struct Plain;

impl<S: Send + Sync> FromRequestParts<S> for Plain {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        check_plain(parts)?;
        Ok(Self)
    }
}

/// No query, and JSON for an answer.
pub fn check_plain(head: &Parts) -> Result<(), Problem> {
    check_accept(&head.headers)?;
    Query::parse(head.uri.query(), &[])?;
    Ok(())
}

/// Before the body of a request for work is read: its type, if there is one, Accept, and the query, in which only
/// these parameters may stand.
pub fn check_work<'a>(request: &'a Request, parameters: &[&str]) -> Result<Query<'a>, Problem> {
    check_body_type(request)?;
    check_accept(request.headers())?;
    Ok(Query::parse(request.uri().query(), parameters)?)
}

/// The same, for a call whose client may take what it yields as it comes.
pub fn check_call<'a>(request: &'a Request, takes: Takes, parameters: &[&str]) -> Result<Query<'a>, Problem> {
    if !takes.is_stream() {
        return check_work(request, parameters);
    }
    check_body_type(request)?;
    Ok(Query::parse(request.uri().query(), parameters)?)
}

fn check_body_type(request: &Request) -> Result<(), Problem> {
    if request.body().is_end_stream() { Ok(()) } else { check_content_type(request.headers()) }
}

/// A body must be declared as JSON.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    check_content_type_is(headers, JSON)
}

/// A body must be declared as this media type.
pub fn check_content_type_is(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    check_is_not_encoded(headers)?;
    let value = headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    if value == Some(wanted.as_bytes()) {
        return Ok(());
    }
    let essence = value.and_then(|value| value.split(|byte| *byte == b';').next()).map(<[u8]>::trim_ascii);
    match essence {
        Some(essence) if essence.eq_ignore_ascii_case(wanted.as_bytes()) => Ok(()),
        Some(_) | None => Err(Problem::unsupported_media_type(wanted)),
    }
}

/// Bodies are read as they are: none that is compressed (RFC 9110, section 8.4; RFC 9112, section 6.1).
fn check_is_not_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    for (name, plain) in [(header::CONTENT_ENCODING, "identity"), (header::TRANSFER_ENCODING, "chunked")] {
        for value in headers.get_all(&name) {
            let codings = value.to_str().unwrap_or("?").split(',').map(str::trim);
            if let Some(coding) = codings.into_iter().find(|coding| !coding.eq_ignore_ascii_case(plain)) {
                return Err(Problem::unsupported_encoding(name.as_str(), coding));
            }
        }
    }
    Ok(())
}

/// The client must take JSON (bytes values aside, every value is JSON).
pub fn check_accept(headers: &HeaderMap) -> Result<(), Problem> {
    check_accepts(headers, JSON)
}

/// The client must take this media type.
pub fn check_accepts(headers: &HeaderMap, offered: &str) -> Result<(), Problem> {
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        any = true;
        if value == "*/*" || value.split(',').any(|range| allows(range, offered)) {
            return Ok(());
        }
    }
    if any { Err(Problem::not_acceptable(offered)) } else { Ok(()) }
}

/// Whether the client takes gzip; what it says of it by name goes before what it says of all codings.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut of_all = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, is_refused) = essence_of(coding);
        if ["gzip", "x-gzip"].iter().any(|gzip| name.eq_ignore_ascii_case(gzip)) {
            return !is_refused;
        }
        of_all |= name == "*" && !is_refused;
    }
    of_all
}

/// What stands before the parameters, and whether its quality is 0.
fn essence_of(item: &str) -> (&str, bool) {
    let mut parts = item.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_refused = parts.any(|part| {
        let quality = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
        quality.is_some_and(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0))
    });
    (essence, is_refused)
}

fn allows(range: &str, offered: &str) -> bool {
    let (essence, refused) = essence_of(range);
    let group = offered.split_once('/').map_or(offered, |(group, _)| group);
    let matches = essence == "*/*"
        || essence.is_empty()
        || essence.eq_ignore_ascii_case(offered)
        || essence.strip_suffix("/*").is_some_and(|range| range.eq_ignore_ascii_case(group))
        // What a bytes value is answered as: a client that wants those takes a JSON value too.
        || essence.eq_ignore_ascii_case(OCTET_STREAM);
    matches && !refused
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn accepts(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        check_accept(&headers).is_ok()
    }

    #[test]
    fn accept_is_read_as_ranges() {
        assert!(check_accept(&HeaderMap::new()).is_ok());
        for good in
            ["*/*", "application/json", "text/html, application/*;q=0.1", "text/html,*/*", "Application/JSON"]
        {
            assert!(accepts(good), "{good}");
        }
        for bad in ["text/html", "application/json;q=0", "image/*", "text/html, application/json; q=0.0"] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    #[test]
    fn a_stream_is_for_those_who_take_no_json() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            Takes::of(&headers)
        };
        assert_eq!(Takes::of(&HeaderMap::new()), Takes::Json);
        for value in
            ["*/*", "text/html", "application/x-ndjson, */*;q=0.1", "text/event-stream,application/json"]
        {
            assert_eq!(takes(value), Takes::Json, "{value}");
        }
        for value in
            ["application/x-ndjson", "Application/X-NDJSON;q=0.5", "text/event-stream, application/x-ndjson"]
        {
            assert_eq!(takes(value), Takes::Lines, "{value}");
        }
        for value in
            ["text/event-stream", "text/event-stream, application/x-ndjson;q=0, application/json;q=0"]
        {
            assert_eq!(takes(value), Takes::Events, "{value}");
        }
        for value in ["application/octet-stream", "application/json, application/octet-stream"] {
            assert_eq!(takes(value), Takes::Raw, "{value}");
        }
        assert_eq!(takes("application/json, application/octet-stream;q=0"), Takes::Json);
        let mut two = HeaderMap::new();
        two.append(header::ACCEPT, HeaderValue::from_static("application/json"));
        two.append(header::ACCEPT, HeaderValue::from_static("application/octet-stream"));
        assert_eq!(Takes::of(&two), Takes::Raw);
    }

    #[test]
    fn gzip_is_for_those_who_take_it() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            accepts_gzip(&headers)
        };
        assert!(!accepts_gzip(&HeaderMap::new()));
        for good in ["gzip", "br, GZIP;q=0.5", "deflate, gzip, br, zstd", "*", "*;q=0.1", "*;q=0, x-gzip"] {
            assert!(takes(good), "{good}");
        }
        for bad in ["", "identity", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0"] {
            assert!(!takes(bad), "{bad}");
        }
    }

    #[test]
    fn content_types_are_compared_by_their_essence() {
        let check = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            check_content_type(&headers).is_ok()
        };
        assert!(check("application/json") && check("Application/Json; charset=utf-8"));
        assert!(!check("text/plain") && !check("application/jsonp") && !check(""));
    }
}
