//! The OpenAPI document, generated from the handlers.

use std::sync::OnceLock;

use axum::extract::RawQuery;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::guard::is_open;
use super::negotiate::check_accept;
use super::problem::Problem;
use super::{
    events, functions, idempotency, imap, jobs, objects, operations, pool_life, pools, processes, submit,
};
use crate::api::{Query, ReadProblems};

const DESCRIPTION: &str = "Python's `multiprocessing` as an HTTP service.

Functions are offered by the server and named by requests. `apply` and `map` answer values; their `_async` \
forms answer a job, whose id is the service's AsyncResult. Arguments and values are any JSON. A job that ended \
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
        functions::list_functions, functions::get_function,
        pools::list_pools, pool_life::create_pool, pools::get_pool, pool_life::resize_pool,
        pool_life::terminate_pool, pool_life::close_pool, pool_life::join_pool, pools::list_workers,
        processes::start_process, processes::list_processes, processes::get_process,
        processes::join_process, processes::terminate_process, processes::kill_process,
        processes::get_process_output,
        operations::livez, operations::readyz, operations::version, openapi,
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

/// The document as it is checked in: pretty, with a newline at its end.
pub fn openapi_json() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        // Types that derive their schema always have a JSON text.
        let mut document = serde_json::to_value(Document::openapi()).unwrap_or_default();
        never_null(&mut document);
        objects::describe(&mut document);
        idempotency::describe(&mut document);
        secure(&mut document);
        let document = serde_json::to_string_pretty(&document).unwrap_or_default();
        format!("{document}\n")
    });
    text.clone()
}

/// Says of each operation behind the door that it takes a token, and what it answers without one.
fn secure(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({"bearer": {
        "type": "http", "scheme": "bearer",
        "description": "A token of the server's `--token-file`. A server without one asks for none."
    }});
    let unauthorized = json!({
        "description": "`unauthorized`: the server wants a token, and none or a wrong one came",
        "headers": {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    });
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for operations in paths.filter(|(path, _)| !is_open(path)).filter_map(|(_, item)| item.as_object_mut()) {
        for operation in operations.values_mut() {
            operation["security"] = json!([{"bearer": []}]);
            operation["responses"]["401"] = unauthorized.clone();
            if let Some(responses) = operation["responses"].as_object_mut() {
                responses.sort_keys();
            }
        }
    }
}

/// Optional members are left out, never null: the schemas that stand for `Option` lose their null.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let types = members.get_mut("type").and_then(Value::as_array_mut);
            if let Some(types) = types {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".into(), only);
                }
            }
            let choices = members.get_mut("oneOf").and_then(Value::as_array_mut);
            if let Some(choices) = choices {
                choices.retain(|choice| choice != &serde_json::json!({"type": "null"}));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    members.remove("oneOf");
                    members.extend(only);
                }
            }
            members.values_mut().for_each(never_null);
        }
        Value::Array(items) => items.iter_mut().for_each(never_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value,
               content_type = "application/json",
               example = json!({"openapi": "3.1.0", "info": {"title": "forkpool"}})), ReadProblems))]
pub async fn openapi(RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response, Problem> {
    check_accept(&headers)?;
    Query::parse(query.as_deref(), &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], openapi_json()).into_response())
}
