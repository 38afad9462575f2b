//! `startProcess`, `listProcesses`, `getProcess`, `joinProcess`, `terminateProcess`, `killProcess`,
//! `getProcessOutput`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;

use super::work_body::{WorkBody, body_of_work};
use crate::api::{
    EmptyBodyProblems, Invalid, JoinBody, ProcessBody, ProcessInfo, ProcessList, ProcessProblems,
    ProcessRequest, Query, ReadProblems, StartProblems,
};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::{Asker, NoMembers, SmallBody};
use crate::http::edge::negotiate::{Plain, check_accept, check_accepts};
use crate::http::edge::path::Segment;
use crate::http::edge::problem::Problem;
use crate::offload::offload;
use crate::processes::ProcessId;
use crate::service::{ProcessSignal, Request, WantedProcess};

/// Runs a function in a fresh process (`Process(…).start()`). The answer comes once it is about to call it.
///
/// It gets a name and a pid, and its exit code is kept when it has ended. It has no value: what it makes goes
/// through shared objects.
#[utoipa::path(post, path = "/v1/processes", operation_id = "startProcess", tag = "processes",
    request_body = ProcessBody,
    responses((status = 201, description = "Started", body = ProcessInfo,
               headers(("Location" = String, description = "The Process")),
               example = json!({"id": "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11", "name": "Process-1",
                                "target": "process.f", "pid": 4242, "parent_pid": 4200, "daemon": false,
                                "alive": true})),
              ReadProblems, StartProblems))]
pub async fn start_process(
    State(app): State<Arc<App>>,
    asker: Asker,
    request: axum::extract::Request,
) -> Handled {
    let WorkBody { bytes: body, room, .. } = body_of_work(&app, request).await?;
    let depth_max = app.limits().depth_max;
    let wanted = offload(body.len(), move || {
        let ProcessRequest { target, arguments, keywords, name, daemon } =
            ProcessRequest::parse(&body, depth_max)?;
        Ok::<_, Problem>(Box::new(WantedProcess { target, arguments, keywords, name, daemon, room }))
    });
    app.answer(asker, Request::StartProcess(wanted.await?)).await
}

/// The Processes that run, and those that ended not long ago; newest first.
///
/// A page at a time; `next_cursor` leads to the next one.
#[utoipa::path(get, path = "/v1/processes", operation_id = "listProcesses", tag = "processes",
    params(("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
            description = "At most so many, 1 to 1,000; 100 if left out"),
           ("cursor" = Option<String>, Query,
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page of them", body = ProcessList), ReadProblems))]
pub async fn list_processes(
    State(app): State<Arc<App>>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["limit", "cursor"])?;
    let unknown = || Invalid::new("cursor", "cursor must be the next_cursor of the page before");
    let cursor = query.text("cursor").map(|text| ProcessId::parse(text).ok_or_else(unknown)).transpose()?;
    let limit = query.page_limit()?;
    app.answer(asker, Request::Processes { limit, cursor }).await
}

/// A Process as it is now (`is_alive()`, `exitcode`).
///
/// With its `exitcode` once it has ended: negative if a signal ended it.
#[utoipa::path(get, path = "/v1/processes/{id}", operation_id = "getProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process", body = ProcessInfo), ReadProblems, ProcessProblems))]
pub async fn get_process(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    _: Plain,
) -> Handled {
    app.answer(asker, Request::Process { id }).await
}

/// Waits for its end (`Process.join(timeout)`). `alive` is true in the answer if the time was up first.
///
/// The time is `timeout`, or `--max-wait` if it is left out.
#[utoipa::path(post, path = "/v1/processes/{id}/join", operation_id = "joinProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<JoinBody>,
    responses((status = 200, description = "The Process, as soon as it has ended or the time is up",
               body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn join_process(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    SmallBody(body): SmallBody,
) -> Handled {
    let timeout = app.join_timeout(&body)?;
    app.answer(asker, Request::JoinProcess { id, timeout }).await
}

/// Sends it SIGTERM (`Process.terminate()`), which ends it unless it handles that. Join it to see its end.
///
/// It does not wait for the end, and one that has ended stays as it is.
#[utoipa::path(post, path = "/v1/processes/{id}/terminate", operation_id = "terminateProcess",
    tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process; the same if it had ended", body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn terminate_process(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::SignalProcess { id, signal: ProcessSignal::Terminate }).await
}

/// Kills it and its process group with SIGKILL (`Process.kill()`). Join it to see its end.
///
/// It does not wait for the end, and one that has ended stays as it is.
#[utoipa::path(post, path = "/v1/processes/{id}/kill", operation_id = "killProcess", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The Process; the same if it had ended", body = ProcessInfo),
              ReadProblems, ProcessProblems, EmptyBodyProblems))]
pub async fn kill_process(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::SignalProcess { id, signal: ProcessSignal::Kill }).await
}

/// What it wrote to standard output and error: as much as `--log-limit` keeps.
///
/// Plain text, while it runs as well.
#[utoipa::path(get, path = "/v1/processes/{id}/output", operation_id = "getProcessOutput", tag = "processes",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The output so far; a last line says when it was cut",
               body = String, content_type = "text/plain", example = "hello bob\n"),
              ReadProblems, ProcessProblems))]
pub async fn get_process_output(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accepts(&headers, "text/plain")?;
    Query::parse(query.as_deref(), &[])?;
    app.answer(asker, Request::ProcessOutput { id }).await
}
