//! The OpenAPI document, generated from the handlers.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use super::{functions, jobs, operations, pools, submit};

/// Python's `multiprocessing` as an HTTP service.
///
/// Functions are offered by the server and named by requests. `apply` and `map` answer values; their `_async` forms answer a job, whose id is
/// the service's AsyncResult. A job that ended without a value is 422, whatever ended it; every other problem is `application/problem+json` too.
#[derive(OpenApi)]
#[openapi(
    info(title = "forkpool", license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    paths(
        submit::apply, submit::apply_async, submit::map, submit::map_async,
        jobs::list_jobs, jobs::get_job, jobs::delete_job, jobs::get_result, jobs::cancel_job, jobs::get_logs,
        functions::list_functions, functions::get_function,
        pools::list_pools, pools::get_pool, pools::list_workers,
        operations::livez, operations::readyz, operations::version, openapi,
    ),
    tags(
        (name = "submit", description = "Run functions"),
        (name = "jobs", description = "AsyncResult"),
        (name = "functions", description = "What is offered"),
        (name = "pools", description = "Pools and their workers"),
        (name = "operations", description = "For those who run the server"),
    )
)]
struct Document;

/// The document as it is checked in: pretty, with a newline at its end.
pub fn openapi_json() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        // Types that derive their schema always have a JSON text.
        let document = Document::openapi().to_pretty_json().unwrap_or_default();
        format!("{document}\n")
    });
    text.clone()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value, content_type = "application/json")))]
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json()).into_response()
}
