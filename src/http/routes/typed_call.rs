//! `callFunction`, `callFunctionAsync`: a call whose body is its arguments by name.
//!
//! The members are only laid out here as the function takes them; whether they fit is the worker's to say.

use std::sync::Arc;

use axum::extract::{Request, State};

use super::work_body::{WorkBody, body_of};
use crate::api::{CallOptions, Job, OPTIONS, OutcomeProblems, ReadProblems, SubmitProblems};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::Asker;
use crate::http::edge::negotiate::check_work;
use crate::http::edge::path::Segment;
use crate::http::edge::problem::Problem;
use crate::service::{self, TermsAsked, WantedJob, WantedWork};

/// Calls a function with arguments by name and answers its value.
///
/// A worker converts the arguments to what the function says: dates, dataclasses, pydantic models. What can't be
/// converted is 422 `invalid-arguments` with its path.
#[utoipa::path(post, path = "/v1/functions/{name}/call", operation_id = "callFunction", tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), CallOptions),
    request_body(content = serde_json::Map<String, serde_json::Value>, content_type = "application/json",
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
    let call = typed_call(&app, name, request).await?;
    app.answer(asker, service::Request::Run(call)).await
}

/// Submits a call with arguments by name; its value is fetched by the job's id.
#[utoipa::path(post, path = "/v1/functions/{name}/call_async", operation_id = "callFunctionAsync",
    tag = "functions",
    params(("name" = String, Path, description = "Public name", example = "tasks.square"), CallOptions),
    request_body(content = serde_json::Map<String, serde_json::Value>, content_type = "application/json",
                 description = "The arguments by name; none if left out", example = json!({"x": 3})),
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn call_function_async(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(name): Segment,
    request: Request,
) -> Handled {
    let call = typed_call(&app, name, request).await?;
    app.answer(asker, service::Request::Submit(call)).await
}

async fn typed_call(app: &App, function: String, request: Request) -> Result<Box<WantedJob>, Problem> {
    let terms = TermsAsked::from_query(&check_work(&request, OPTIONS)?)?;
    let WorkBody { bytes: body, room, key } = body_of(app, request).await?;
    let body_bytes = body.len();
    let work = WantedWork::Call { arguments: body, keywords: None, typed: true };
    Ok(Box::new(WantedJob { function, work, terms, body_bytes, room, key }))
}
