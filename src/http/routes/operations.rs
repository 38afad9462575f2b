//! `/livez`, `/readyz`, `/version`, and what answers where there is nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};

use crate::api::{ProbeProblems, Problem as ProblemBody, Query, ReadProblems, VersionInfo};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::check_accept;
use crate::http::edge::problem::Problem;
use crate::service::Request;

/// Whether the server answers at all.
///
/// For an orchestrator, which restarts a server that doesn't answer.
#[utoipa::path(get, path = "/livez", operation_id = "livez", tag = "operations",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain", example = "ok"),
              ProbeProblems))]
pub async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the server takes work. Busy is ready.
///
/// For an orchestrator, which sends requests to servers that are ready. It is 503 while code is loaded, while the
/// server goes down, and while a pool has no usable worker.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain", example = "ok"),
              ProbeProblems,
              (status = 503, body = ProblemBody, content_type = "application/problem+json",
               description = "`starting`, `draining` or `unavailable`: a pool made at start has no usable worker")))]
pub async fn readyz(State(app): State<Arc<App>>, asker: Asker) -> Handled {
    app.answer(asker, Request::Readiness).await
}

/// Which server this is.
///
/// The name and the version of the program.
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "operations",
    responses((status = 200, description = "Name and version", body = VersionInfo), ReadProblems))]
pub async fn version(RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Json<VersionInfo>, Problem> {
    check_accept(&headers)?;
    Query::parse(query.as_deref(), &[])?;
    let (name, version) = (env!("CARGO_PKG_NAME").into(), env!("CARGO_PKG_VERSION").into());
    Ok(Json(VersionInfo { name, version }))
}

/// Nothing is at this path.
pub async fn unknown_path(uri: Uri) -> Response {
    Problem::unknown_path(uri.path()).into_response()
}

/// Something is at this path, for other methods.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    Problem::method_not_allowed(method.as_str(), uri.path()).into_response()
}
