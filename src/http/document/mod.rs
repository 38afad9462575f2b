//! The OpenAPI document, generated from the handlers and the functions that are offered: in version 3.1, and
//! translated to 3.0 for the tools that read no other.

mod functions;
mod objects;
mod post_process;
mod references;
mod text;
mod v30;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::Value;
use utoipa::OpenApi;

use super::app::{App, Handled};
use super::edge::negotiate::Plain;
use super::layers::idempotency;
use super::routes::{
    docs, events, functions as function_routes, imap, jobs, operations, pools, processes, submit, typed_call,
};
use crate::api::{self, ReadProblems};
use crate::catalog::{Catalog, Function};
use crate::schema::with_large_integers;

const DESCRIPTION: &str = "Python's `multiprocessing` as an HTTP service.

Functions are offered by the server and named by requests. `apply` and `map` answer values; their `_async` \
forms answer a job, whose id is the service's AsyncResult. Each function that is offered has an operation of \
its own besides, with the types that it says. Arguments and values are any JSON. A job that ended \
without a value is 422, whatever ended it. Every answer that is no success is `application/problem+json` with \
a `code` for programs. Members that have no value are left out, never null.";

#[derive(OpenApi)]
#[openapi(
    info(title = "forkpool", description = DESCRIPTION,
         license(name = "MIT", identifier = "MIT")),
    paths(
        submit::apply, submit::apply_async, submit::map, submit::map_async, submit::starmap,
        submit::starmap_async, imap::imap, imap::imap_unordered, imap::imap_stream,
        imap::imap_unordered_stream,
        jobs::list_jobs, jobs::get_job, jobs::delete_job, jobs::get_result, jobs::cancel_job, jobs::cancel_jobs,
        jobs::get_logs, events::get_events,
        function_routes::list_functions, function_routes::get_function, typed_call::call_function,
        typed_call::call_function_async, typed_call::map_function, typed_call::map_function_async,
        pools::list_pools, pools::create_pool, pools::get_pool, pools::resize_pool,
        pools::terminate_pool, pools::close_pool, pools::join_pool, pools::list_workers,
        processes::start_process, processes::list_processes, processes::get_process,
        processes::join_process, processes::terminate_process, processes::kill_process,
        processes::get_process_output,
        operations::livez, operations::readyz, operations::version, openapi, openapi_30, docs::page, docs::file,
    ),
    tags(
        (name = "submit", description = "Run functions"),
        (name = "jobs", description = "AsyncResult"),
        (name = "functions", description = "What is offered"),
        (name = "pools", description = "Pools and their workers"),
        (name = "processes", description = "Process: one call in a process of its own"),
        (name = "operations", description = "For those who run the server"),
    )
)]
struct Document;

/// Both versions as they are served.
#[derive(Debug)]
struct Documents {
    openapi: String,
    openapi_30: String,
}

impl Documents {
    fn of<'a>(functions: impl Iterator<Item = &'a Function>, base_url: &str) -> Self {
        let document = document(functions, base_url);
        Self { openapi_30: text_of(&document_30(&document)), openapi: text_of(&document) }
    }
}

/// OpenAPI 3.1: the API, and an operation for each of these functions; `base_url` is what its paths follow where
/// that isn't the document's own server.
pub fn document<'a>(functions: impl Iterator<Item = &'a Function>, base_url: &str) -> Value {
    static API: OnceLock<Value> = OnceLock::new();
    let api = API.get_or_init(|| {
        // Types that derive their schema always have a JSON text.
        let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
        document["components"]["responses"] = serde_json::json!(api::responses());
        post_process::never_null(&mut document);
        objects::describe(&mut document);
        idempotency::describe(&mut document);
        post_process::secure(&mut document);
        post_process::narrow(&mut document);
        post_process::drop_unused_responses(&mut document);
        post_process::link(&mut document);
        references::share(&mut document);
        document
    });
    let mut document = api.clone();
    functions::add(&mut document, functions);
    if !base_url.is_empty() {
        document["servers"] = serde_json::json!([{"url": base_url}]);
    }
    document
}

/// The same as OpenAPI 3.0.
pub fn document_30(document: &Value) -> Value {
    v30::translated(document)
}

/// A document as it is written, with a newline at its end.
pub fn text_of(document: &Value) -> String {
    with_large_integers(text::laid_out(document))
}

/// The documents of a server, written once for each catalog of functions.
#[derive(Debug)]
pub struct DocumentCache {
    app: Arc<App>,
    /// With the catalog that they are of.
    whole: Mutex<Option<(Arc<Catalog>, Arc<Documents>)>>,
    /// Of the API itself: what is known before all code is loaded.
    bare: OnceLock<Arc<Documents>>,
}

impl DocumentCache {
    /// Nothing is written yet.
    pub fn new(app: Arc<App>) -> Arc<Self> {
        Arc::new(Self { app, whole: Mutex::default(), bare: OnceLock::new() })
    }

    fn served(&self) -> Arc<Documents> {
        let base_url = &self.app.base_url;
        let Some(catalog) = self.app.service.catalog() else {
            let bare = || Arc::new(Documents::of(std::iter::empty(), base_url));
            return Arc::clone(self.bare.get_or_init(bare));
        };
        let mut whole = self.whole.lock();
        match &*whole {
            Some((known, documents)) if Arc::ptr_eq(known, &catalog) => Arc::clone(documents),
            _ => {
                let functions = catalog.functions().map(|function| &**function);
                let documents = Arc::new(Documents::of(functions, base_url));
                *whole = Some((catalog, Arc::clone(&documents)));
                documents
            }
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Map<String, serde_json::Value>,
               content_type = "application/json",
               example = json!({"openapi": "3.1.0", "info": {"title": "forkpool"}})), ReadProblems))]
pub async fn openapi(State(documents): State<Arc<DocumentCache>>, _: Plain) -> Handled {
    Ok(json(documents.served().openapi.clone()))
}

/// This document as OpenAPI 3.0, for tools that don't read 3.1.
#[utoipa::path(get, path = "/openapi-3.0.json", operation_id = "openapi30", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.0", body = serde_json::Map<String, serde_json::Value>,
               content_type = "application/json",
               example = json!({"openapi": "3.0.3", "info": {"title": "forkpool"}})), ReadProblems))]
pub async fn openapi_30(State(documents): State<Arc<DocumentCache>>, _: Plain) -> Handled {
    Ok(json(documents.served().openapi_30.clone()))
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
