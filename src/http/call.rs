//! `callFunction`, `callFunctionAsync`: a call whose body is its arguments by name.
//!
//! The members are only laid out here as the function takes them; whether they fit is the worker's to say.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::Semaphore;

use super::negotiate::check_work;
use super::problem::Problem;
use super::segment::Segment;
use super::state::Shared;
use super::submit::{OneCall, Submitted, accepted, answer, body_of, submit_one};
use super::value::wants_raw;
use crate::api::{
    CallOptions, Job, OPTIONS, Options, OutcomeProblems, ReadProblems, SubmitProblems, arguments_of,
};
use crate::pool::Function;
use crate::schema::{Arranged, Misfit};

/// Larger bodies are laid out beside the server's only thread.
const ARRANGED_AT_ONCE_MAX: usize = 64 << 10;
/// So many of them at once: the arguments may be a copy of the body.
static ARRANGEMENTS: Semaphore = Semaphore::const_new(2);

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
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response, Problem> {
    let raw = wants_raw(request.headers());
    let job = submit_call(&app, &name, request, false).await?;
    answer(app, job, raw).await
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
    State(app): State<Arc<Shared>>,
    Segment(name): Segment,
    request: Request,
) -> Result<Response, Problem> {
    submit_call(&app, &name, request, true).await.map(|job| accepted(&app, job))
}

async fn submit_call(
    app: &Shared,
    name: &str,
    request: Request,
    retained: bool,
) -> Result<Submitted, Problem> {
    let options = Options::from_query(&check_work(&request, OPTIONS)?)?;
    let (body, room) = body_of(app, request).await?;
    let service = app.service_for_work()?;
    let function = service.function(name)?;
    let Arranged { positional, keywords } = arguments(function, &body, app.limits.depth_max).await?;
    let call = OneCall { options, arguments: positional, keywords, typed: true };
    submit_one(app, service, function, call, retained, (body, room))
}

/// The arguments of the call, as the function takes them.
async fn arguments(function: &Arc<Function>, body: &Bytes, depth_max: usize) -> Result<Arranged, Problem> {
    let body = if body.is_empty() { Bytes::from_static(b"{}") } else { body.clone() };
    if body.len() <= ARRANGED_AT_ONCE_MAX {
        return arranged(function, &body, depth_max);
    }
    let function = Arc::clone(function);
    // It is never closed.
    let _turn = ARRANGEMENTS.acquire().await;
    let arranging = tokio::task::spawn_blocking(move || arranged(&function, &body, depth_max));
    // It can't be cancelled, and one that panics is no reason to end the connection.
    arranging.await.unwrap_or_else(|_| Err(Problem::misfit(Misfit::whole("the arguments can't be read"))))
}

fn arranged(function: &Function, body: &Bytes, depth_max: usize) -> Result<Arranged, Problem> {
    let members = arguments_of(body, depth_max)?;
    function.types.arrange(body, &members).map_err(Problem::misfit)
}
