//! `startProcess`, `listProcesses`, `getProcess`, `joinProcess`, `terminateProcess`, `killProcess`,
//! `getProcessOutput`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::idempotency::NothingRan;
use super::negotiate::{Plain, check_accept, check_accepts};
use super::problem::{Problem, timeout_max};
use super::segment::Segment;
use super::small::{NoMembers, SmallBody};
use super::state::Shared;
use super::submit::body_of_work;
use crate::api::{
    EmptyBodyProblems, Invalid, JoinBody, ProcessBody, ProcessInfo, ProcessList, ProcessProblems,
    ProcessRequest, Query, ReadProblems, StartProblems, join_timeout,
};
use crate::processes::{NewProcess, NotStarted, ProcessId, Single};

const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

fn shown(single: &Single) -> ProcessInfo {
    ProcessInfo {
        id: single.id.to_string(),
        name: single.name.to_string(),
        target: single.target.to_string(),
        pid: single.pid,
        parent_pid: single.parent_pid,
        daemon: single.daemon,
        alive: single.is_alive(),
        exitcode: single.exit_code(),
    }
}

fn find(app: &Shared, id: &str) -> Result<Arc<Single>, Problem> {
    let processes = &app.service()?.processes;
    let found = ProcessId::parse(id).and_then(|id| processes.get(id));
    found.ok_or_else(Problem::unknown_process)
}

/// Runs a function in a fresh process (`Process(…).start()`). The answer comes once it is about to call it.
#[utoipa::path(post, path = "/v1/processes", operation_id = "startProcess", tag = "processes",
    request_body = ProcessBody,
    responses((status = 201, description = "Started", body = ProcessInfo,
               headers(("Location" = String, description = "The Process")),
               example = json!({"id": "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11", "name": "Process-1",
                                "target": "process.f", "pid": 4242, "parent_pid": 4200, "daemon": false,
                                "alive": true})),
              ReadProblems, StartProblems))]
pub async fn start_process(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    // Its bytes count as queued until the process has them.
    let (body, _room) = body_of_work(&app, request).await?;
    let wanted = ProcessRequest::parse(&body, app.limits.depth_max)?;
    let service = app.service_for_work()?;
    let function = service.function(&wanted.target)?;
    let new = NewProcess {
        target: Arc::clone(&function.name),
        runtime: function.runtime,
        arguments: wanted.arguments,
        keywords: wanted.keywords,
        name: wanted.name,
        daemon: wanted.daemon,
    };
    let single = match service.processes.start(new).await {
        Ok(single) => single,
        Err(error) => {
            let mut response = Problem::of_not_started(&error, &function.name).into_response();
            if matches!(error, NotStarted::Arguments { unknown_ref: true, .. }) {
                response.extensions_mut().insert(NothingRan);
            }
            return Ok(response);
        }
    };
    let mut response = (StatusCode::CREATED, Json(shown(&single))).into_response();
    app.locate(&mut response, format_args!("/v1/processes/{}", single.id));
    Ok(response)
}

/// The Processes that run, and those that ended not long ago; newest first.
#[utoipa::path(get, path = "/v1/processes", operation_id = "listProcesses", tag = "processes",
    params(("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
            description = "At most so many, 1 to 1,000; 100 if left out"),
           ("cursor" = Option<String>, Query,
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page of them", body = ProcessList), ReadProblems))]
pub async fn list_processes(
    State(app): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<ProcessList>, Problem> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["limit", "cursor"])?;
    let cursor = match query.text("cursor") {
        None => None,
        Some(text) => Some(
            ProcessId::parse(text)
                .ok_or_else(|| Invalid::new("cursor", "cursor must be the next_cursor of the page before"))?,
        ),
    };
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    let page = app.service()?.processes.list(limit, cursor);
    let items = page.items.iter().map(|single| shown(single)).collect();
    Ok(Json(ProcessList { items, next_cursor: page.next.map(|id| id.to_string()) }))
}

/// A Process as it is now (`is_alive()`, `exitcode`).
#[utoipa::path(get, path = "/v1/processes/{id}", operation_id = "getProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process", body = ProcessInfo), ReadProblems, ProcessProblems))]
pub async fn get_process(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    _: Plain,
) -> Result<Json<ProcessInfo>, Problem> {
    Ok(Json(shown(&*find(&app, &id)?)))
}

/// Waits for its end (`Process.join(timeout)`). `alive` is true in the answer if the time was up first.
#[utoipa::path(post, path = "/v1/processes/{id}/join", operation_id = "joinProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<JoinBody>,
    responses((status = 200, description = "The Process, as soon as it has ended or the time is up",
               body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn join_process(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    SmallBody(body): SmallBody,
) -> Result<Json<ProcessInfo>, Problem> {
    let limits = &app.limits;
    let asked =
        if body.is_empty() { None } else { join_timeout(&body, limits.depth_max, timeout_max(limits))? };
    let single = find(&app, &id)?;
    let _ = tokio::time::timeout(asked.unwrap_or(limits.max_wait), single.ended()).await;
    Ok(Json(shown(&single)))
}

/// Sends it SIGTERM (`Process.terminate()`), which ends it unless it handles that. Join it to see its end.
#[utoipa::path(post, path = "/v1/processes/{id}/terminate", operation_id = "terminateProcess",
    tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process; the same if it had ended", body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn terminate_process(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    _: NoMembers,
) -> Result<Json<ProcessInfo>, Problem> {
    signal(&app, &id, Single::terminate)
}

/// Kills it and its process group with SIGKILL (`Process.kill()`). Join it to see its end.
#[utoipa::path(post, path = "/v1/processes/{id}/kill", operation_id = "killProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process; the same if it had ended", body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn kill_process(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    _: NoMembers,
) -> Result<Json<ProcessInfo>, Problem> {
    signal(&app, &id, Single::kill)
}

fn signal(app: &Shared, id: &str, send: fn(&Single)) -> Result<Json<ProcessInfo>, Problem> {
    let single = find(app, id)?;
    send(&single);
    Ok(Json(shown(&single)))
}

/// What it wrote to standard output and error: as much as `--log-limit` keeps.
#[utoipa::path(get, path = "/v1/processes/{id}/output", operation_id = "getProcessOutput", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The output so far; a last line says when it was cut",
               body = String, content_type = "text/plain", example = "hello bob\n"),
              ReadProblems, ProcessProblems))]
pub async fn get_process_output(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accepts(&headers, "text/plain")?;
    Query::parse(query.as_deref(), &[])?;
    let (output, cut) = find(&app, &id)?.output();
    let mut text = String::from_utf8_lossy(&output).into_owned();
    if cut {
        text.push_str("\n[cut: the process wrote more]\n");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
