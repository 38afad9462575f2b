//! The contract, generated from the handlers and the tables of the API: what `openapi/openapi.json` says. It is the
//! document of a server with tokens that offers no functions; every server's own is written from that file.

mod objects;
mod post_process;
mod references;

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::served;
use super::text::{Layout, Writer};
use crate::api;
use crate::http::layers::idempotency;
use crate::http::routes::{
    docs, events, functions as function_routes, imap, jobs, operations, pools, processes, submit, typed_call,
};

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
        operations::livez, operations::readyz, operations::version, served::openapi, served::openapi_30,
        docs::page, docs::file,
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

/// OpenAPI 3.1.
pub fn contract() -> Value {
    // Types that derive their schema always have a JSON text.
    let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
    document["servers"] = json!([{"url": "/"}]);
    document["components"]["responses"] = json!(api::responses());
    post_process::never_null(&mut document);
    objects::describe(&mut document);
    idempotency::describe(&mut document);
    post_process::secure(&mut document);
    post_process::narrow(&mut document);
    post_process::drop_unused_responses(&mut document);
    post_process::link(&mut document);
    references::share(&mut document);
    document
}

/// As the file has it.
pub fn contract_text() -> String {
    let contract = contract();
    let write = || {
        let mut writer = Writer::new(Vec::new(), Layout::Lines)?;
        for name in ["openapi", "info", "servers", "tags", "paths", "components"] {
            writer.member(name, &contract[name])?;
        }
        writer.finish()
    };
    // Memory takes what is written.
    let (text, _) = write().unwrap_or_default();
    String::from_utf8(text).unwrap_or_default()
}
