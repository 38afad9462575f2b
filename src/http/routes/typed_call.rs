//! `callFunction`, `callFunctionAsync`, `mapFunction`, `mapFunctionAsync`: calls with arguments by name.
//!
//! They go to a worker as they are, which lays them out as the function takes them, and says whether they fit.

use std::sync::Arc;

use axum::extract::{Request, State};

use super::work_body::{WorkBody, body_of, run};
use crate::api::{
    CallOptions, Job, OutcomeProblems, ReadProblems, SubmitProblems, TYPED_OPTIONS, TypedMapBody,
    TypedMapOptions, named_arguments, named_items,
};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::{Takes, check_call, check_work};
use crate::http::edge::path::Segment;
use crate::http::edge::problem::Problem;
use crate::offload::offload;
use crate::service::{self, Spread, TermsAsked, WantedJob, WantedWork};

/// Calls a function with arguments by name and answers its value.
///
/// A worker converts the arguments to what the function says: dates, dataclasses, pydantic models. What can't be
/// converted is 422 `invalid-arguments` with its path. With `Accept: application/x-ndjson` or `text/event-stream`, and
/// no JSON, what the function yields is told as it comes, as by `apply`.
#[utoipa::path(post, path = "/v1/functions/{name}/call", operation_id = "callFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), CallOptions),
    request_body(content = Option<serde_json::Map<String, serde_json::Value>>, content_type = "application/json",
                 description = "The arguments by name; none if left out", example = json!({"x": 3})),
    responses((status = 200, description = "The bare value", body = serde_json::Value,
               content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!(9)),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn call_function(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    request: Request,
) -> Handled {
    let takes = asker.takes;
    let call = typed_call(&app, name, request, takes).await?;
    app.answer(asker, run(call, takes)).await
}

/// Submits a call with arguments by name; its value is fetched by the job's id.
///
/// The answer is the job, at once. What the worker can't convert ends the job as `invalid-arguments`.
#[utoipa::path(post, path = "/v1/functions/{name}/call_async", operation_id = "callFunctionAsync",
    tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), CallOptions),
    request_body(content = Option<serde_json::Map<String, serde_json::Value>>, content_type = "application/json",
                 description = "The arguments by name; none if left out", example = json!({"x": 3})),
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn call_function_async(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    request: Request,
) -> Handled {
    let call = typed_call(&app, name, request, Takes::Json).await?;
    app.answer(asker, service::Request::Submit(call)).await
}

/// Calls a function for each item, the arguments by name, and answers the values in order.
///
/// Each item is converted as by `call`. The first that can't be is 422 `invalid-arguments` with its `index`, and its
/// path in the item; with `on_error=collect` each item has `{"value"}` or `{"error"}`.
#[utoipa::path(post, path = "/v1/functions/{name}/map", operation_id = "mapFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), TypedMapOptions,
           CallOptions),
    request_body = TypedMapBody,
    responses((status = 200, description = "The bare array of values, in order",
               body = Vec<serde_json::Value>, content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!([1, 4, 9])),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn map_function(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    request: Request,
) -> Handled {
    let map = typed_map(&app, name, request).await?;
    app.answer(asker, service::Request::Run(map)).await
}

/// Submits calls with arguments by name, an item each; their values are fetched by the job's id.
///
/// Each item is converted as by `call`; what can't be is the job's failure, with its `index` and path.
#[utoipa::path(post, path = "/v1/functions/{name}/map_async", operation_id = "mapFunctionAsync",
    tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), TypedMapOptions,
           CallOptions),
    request_body = TypedMapBody,
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn map_function_async(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    request: Request,
) -> Handled {
    let map = typed_map(&app, name, request).await?;
    app.answer(asker, service::Request::Submit(map)).await
}

async fn typed_call(
    app: &App,
    function: String,
    request: Request,
    takes: Takes,
) -> Result<Box<WantedJob>, Problem> {
    let terms = TermsAsked::from_query(&check_call(&request, takes, &TYPED_OPTIONS)?)?;
    let WorkBody { bytes: body, room, key } = body_of(app, request).await?;
    let (body_bytes, depth_max) = (body.len(), app.limits().depth_max);
    offload(body_bytes, move || {
        let arguments = named_arguments(&body, depth_max)?;
        let work = WantedWork::Call { arguments, keywords: None, typed: true };
        Ok(Box::new(WantedJob { function, work, terms, body_bytes, room, key }))
    })
    .await
}

async fn typed_map(app: &App, function: String, request: Request) -> Result<Box<WantedJob>, Problem> {
    let query = check_work(&request, &TypedMapOptions::names())?;
    let TypedMapOptions { chunksize, collect, options: terms } = TypedMapOptions::from_query(&query)?;
    let WorkBody { bytes: body, room, key } = body_of(app, request).await?;
    let (body_bytes, depth_max) = (body.len(), app.limits().depth_max);
    offload(body_bytes, move || {
        let (items, count) = named_items(&body, depth_max)?;
        let work = WantedWork::Map { items, count, chunksize, spread: Spread::ByName, collect };
        Ok(Box::new(WantedJob { function, work, terms, body_bytes, room, key }))
    })
    .await
}
