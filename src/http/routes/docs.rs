//! `/docs`: the API as a page to read and to try, all of it in the binary.
//!
//! The page may load and call nothing but this server.

use axum::extract::RawQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::api::{NotFoundProblem, Query, ReadProblems};
use crate::http::edge::negotiate::check_accepts;
use crate::http::edge::path::Segment;
use crate::http::edge::problem::Problem;

const PAGE: &str = include_str!("docs/page.html");
const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the page is made of, by name and media type.
const FILES: [(&str, &str, &str); 6] = [
    ("start.js", SCRIPT, include_str!("docs/start.js")),
    ("swagger-ui-bundle.js", SCRIPT, include_str!("../../../assets/swagger-ui/swagger-ui-bundle.js")),
    ("swagger-ui.css", "text/css; charset=utf-8", include_str!("../../../assets/swagger-ui/swagger-ui.css")),
    ("LICENSE", TEXT, include_str!("../../../assets/swagger-ui/LICENSE")),
    ("NOTICE", TEXT, include_str!("../../../assets/swagger-ui/NOTICE")),
    (
        "swagger-ui-bundle.js.LICENSE.txt",
        TEXT,
        include_str!("../../../assets/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
    ),
];

/// Scripts and calls of this server alone; the images of the style sheet are in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The API as a page to read and to try.
///
/// It is made of the server's own files and asks nobody else.
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "operations",
    responses((status = 200, description = "The page", body = String, content_type = "text/html",
               example = "<!doctype html>…"), ReadProblems))]
pub async fn page(RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response, Problem> {
    check_accepts(&headers, "text/html")?;
    Query::parse(query.as_deref(), &[])?;
    Ok(answer(HTML, PAGE))
}

/// A file of that page.
///
/// Scripts, the style sheet, and their licences.
#[utoipa::path(get, path = "/docs/{file}", operation_id = "docsFile", tag = "operations",
    params(("file" = String, Path, description = "Its name", example = "start.js")),
    responses((status = 200, description = "The file, of its own type",
               content((String = "text/javascript"), (String = "text/css"), (String = "text/plain"))),
              NotFoundProblem,
              ReadProblems))]
pub async fn file(
    Segment(name): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let found = FILES.iter().find(|(file, ..)| *file == name);
    let (_, kind, text) = found.ok_or_else(|| Problem::unknown_path(&format!("/docs/{name}")))?;
    check_accepts(&headers, kind.split(';').next().unwrap_or(kind))?;
    Query::parse(query.as_deref(), &[])?;
    Ok(answer(kind, text))
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    const POLICY_HEADER: HeaderName = header::CONTENT_SECURITY_POLICY;
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(POLICY_HEADER, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Of this very build: a renewed server's page is another one.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
