//! `getJob`, `getResult`, `listJobs`, `cancelJob`, `deleteJob`, `getLogs`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;

use crate::api::{
    AcceptedProblems, CancelBody, CancelRequest, Cancelled, EmptyBodyProblems, Invalid, Job, JobList,
    JobProblems, NotFinishedProblem, OutcomeProblems, Query, ReadProblems, ResultTimeoutProblem,
};
use crate::http::app::{App, Handled};
use crate::http::edge::extract::{Asker, NoMembers, SmallBody};
use crate::http::edge::negotiate::{check_accept, check_accepts};
use crate::http::edge::path::Segment;
use crate::jobs::{Filter, JobId, State as JobState};
use crate::service::Request;

/// A job: `AsyncResult.ready()`, `.successful()`, and with `wait` seconds `.wait(timeout)`.
///
/// The answer is the job as it is, or with `wait` as soon as it has ended or that time is up.
#[utoipa::path(get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("wait" = Option<f64>, Query, minimum = 0, maximum = 86400,
            description = "Seconds to wait for its end, 0 to 86,400; at once if left out")),
    responses((status = 200, description = "The job, as soon as it has ended or the time is up", body = Job),
              ReadProblems, JobProblems, AcceptedProblems))]
pub async fn get_job(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["wait"])?;
    let wait = query.seconds("wait", app.limits().timeout_max)?.unwrap_or(Duration::ZERO);
    app.answer(asker, Request::Job { id, wait }).await
}

/// A job's value: `AsyncResult.get(timeout)`. May be repeated.
///
/// It waits for the end of the job, 408 `result-timeout` if that takes longer than `timeout`. A job that ended
/// without a value is 422 with the `code` of what ended it.
#[utoipa::path(get, path = "/v1/jobs/{id}/result", operation_id = "getResult", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("timeout" = Option<f64>, Query, minimum = 0, maximum = 86400,
            description = "Seconds to wait, 0 to 86,400; --max-wait (50) if left out")),
    responses((status = 200, description = "The bare value", body = serde_json::Value,
               content_type = "application/json", example = json!(400)),
              ResultTimeoutProblem,
              ReadProblems, JobProblems, AcceptedProblems, OutcomeProblems))]
pub async fn get_result(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["timeout"])?;
    let limits = app.limits();
    let timeout = query.seconds("timeout", limits.timeout_max)?.unwrap_or(limits.max_wait);
    app.answer(asker, Request::Result { id, timeout }).await
}

/// The jobs, newest first.
///
/// A page at a time, by state, function or tag if these are given; `next_cursor` leads to the next one.
#[utoipa::path(get, path = "/v1/jobs", operation_id = "listJobs", tag = "jobs",
    params(("state" = Option<String>, Query, pattern = "^(queued|running|succeeded|failed|cancelled)$",
            description = "Only of this state"),
           ("function" = Option<String>, Query, description = "Only of this function"),
           ("tag" = Option<String>, Query, description = "Only with this tag"),
           ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000,
            description = "At most so many, 1 to 1,000; 100 if left out"),
           ("cursor" = Option<String>, Query,
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page of jobs", body = JobList), ReadProblems))]
pub async fn list_jobs(
    State(app): State<Arc<App>>,
    asker: Asker,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["state", "function", "tag", "limit", "cursor"])?;
    let no_state = || Invalid::new("state", "state must be queued, running, succeeded, failed or cancelled");
    let unknown = || Invalid::new("cursor", "cursor must be the next_cursor of the page before");
    let text = |name: &str| query.text(name).map(str::to_owned);
    let filter = Filter {
        state: query.text("state").map(|text| JobState::parse(text).ok_or_else(no_state)).transpose()?,
        function: text("function"),
        tag: text("tag"),
    };
    let cursor = query.text("cursor").map(|text| JobId::parse(text).ok_or_else(unknown)).transpose()?;
    let limit = query.page_limit()?;
    app.answer(asker, Request::Jobs { filter, limit, cursor }).await
}

/// Ends a job: what waits is dropped, what runs is killed, what has ended stays as it is.
///
/// Workers that run it are killed and replaced. The answer is the job, ended.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The job, ended", body = Job),
              ReadProblems, JobProblems, AcceptedProblems, EmptyBodyProblems))]
pub async fn cancel_job(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::CancelJob { id }).await
}

/// Cancels every job that matches all of these, as `cancelJob` does.
///
/// At least one of `tag`, `function` and `state` must be given.
#[utoipa::path(post, path = "/v1/jobs/cancel", operation_id = "cancelJobs", tag = "jobs",
    request_body = CancelBody,
    responses((status = 200, description = "How many were cancelled", body = Cancelled),
              ReadProblems, EmptyBodyProblems))]
pub async fn cancel_jobs(State(app): State<Arc<App>>, asker: Asker, SmallBody(body): SmallBody) -> Handled {
    let CancelRequest { tag, function, state } = CancelRequest::parse(&body, app.limits().depth_max)?;
    app.answer(asker, Request::CancelJobs(Filter { state, function, tag })).await
}

/// Forgets a job that has ended.
///
/// Its value is gone, too. A job that has not ended is 409 `not-finished`.
#[utoipa::path(delete, path = "/v1/jobs/{id}", operation_id = "deleteJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 204, description = "Forgotten"),
              NotFinishedProblem,
              ReadProblems, JobProblems, AcceptedProblems, EmptyBodyProblems))]
pub async fn delete_job(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    _: NoMembers,
) -> Handled {
    app.answer(asker, Request::ForgetJob { id }).await
}

/// What a job's tasks wrote to standard output and error: as much as `--log-limit` keeps.
///
/// Plain text, while the job runs as well.
#[utoipa::path(get, path = "/v1/jobs/{id}/logs", operation_id = "getLogs", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The output; a last line says when it was cut", body = String,
               content_type = "text/plain"),
              ReadProblems, JobProblems, AcceptedProblems))]
pub async fn get_logs(
    State(app): State<Arc<App>>,
    asker: Asker,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Handled {
    check_accepts(&headers, "text/plain")?;
    Query::parse(query.as_deref(), &[])?;
    app.answer(asker, Request::JobOutput { id }).await
}
