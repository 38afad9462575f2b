//! `getJob`, `getResult`, `listJobs`, `cancelJob`, `deleteJob`, `getLogs`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::negotiate::{check_accept, check_accepts};
use super::problem::{Problem, timeout_max};
use super::segment::Segment;
use super::small::{NoMembers, SmallBody};
use super::state::{Service, Shared};
use super::submit::{JOB_HEADER, outcome_response};
use super::value::wants_raw;
use crate::api::{
    AcceptedProblems, CancelBody, CancelRequest, Cancelled, EmptyBodyProblems, Invalid, Job, JobList,
    JobProblems, OutcomeProblems, Problem as ProblemBody, Query, ReadProblems,
};
use crate::jobs::{Filter, JobId, Lookup, Record, State as JobState};

const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

pub(super) fn find(app: &Shared, id: &str) -> Result<Arc<Record>, Problem> {
    app.service()?;
    let id = JobId::parse(id).ok_or_else(Problem::unknown_job)?;
    match app.jobs.get(id) {
        Lookup::Found(record) => Ok(record),
        Lookup::Expired => Err(Problem::expired()),
        Lookup::LostAtRestart => Err(Problem::lost_at_restart()),
        Lookup::Unknown => Err(Problem::unknown_job()),
    }
}

/// Lets a running map's record know of the items that are done in running chunks.
pub(super) async fn look(app: &Shared, record: &Record) {
    let runs = record.state() == JobState::Running && record.new.chunksize.is_some();
    if runs
        && let Some(pool) = app.service.get().and_then(|service| service.pools.get(&record.new.pool))
        && let Some(done) = pool.items_done(record).await
    {
        record.saw(done);
    }
}

/// A job: `AsyncResult.ready()`, `.successful()`, and with `wait` seconds `.wait(timeout)`.
#[utoipa::path(get, path = "/v1/jobs/{id}", operation_id = "getJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("wait" = Option<f64>, Query, minimum = 0, maximum = 86400,
            description = "Seconds to wait for its end, 0 to 86,400; at once if left out")),
    responses((status = 200, description = "The job, as soon as it has ended or the time is up", body = Job),
              ReadProblems, JobProblems, AcceptedProblems))]
pub async fn get_job(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Job>, Problem> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["wait"])?;
    let wait = query.seconds("wait", timeout_max(&app.limits))?.unwrap_or(Duration::ZERO);
    let record = find(&app, &id)?;
    if !wait.is_zero() {
        let _ = tokio::time::timeout(wait, record.ended()).await;
    }
    look(&app, &record).await;
    Ok(Json(Job::of(&record, &app.base_url)))
}

/// A job's value: `AsyncResult.get(timeout)`. May be repeated.
#[utoipa::path(get, path = "/v1/jobs/{id}/result", operation_id = "getResult", tag = "jobs",
    params(("id" = String, Path, description = "The job's id"),
           ("timeout" = Option<f64>, Query, minimum = 0, maximum = 86400,
            description = "Seconds to wait, 0 to 86,400; --max-wait (50) if left out")),
    responses((status = 200, description = "The bare value", body = serde_json::Value,
               content_type = "application/json", example = json!(400)),
              (status = 408, body = ProblemBody, content_type = "application/problem+json",
               description = "`result-timeout` (TimeoutError): not ready in time; the job goes on"),
              ReadProblems, JobProblems, AcceptedProblems, OutcomeProblems))]
pub async fn get_result(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["timeout"])?;
    let timeout = query.seconds("timeout", timeout_max(&app.limits))?.unwrap_or(app.limits.max_wait);
    let record = find(&app, &id)?;
    match tokio::time::timeout(timeout, record.ended()).await {
        Ok(outcome) => {
            let mut response = outcome_response(&record, outcome, wants_raw(&headers))?;
            if let Ok(id) = HeaderValue::from_str(&record.id.to_string()) {
                response.headers_mut().insert(JOB_HEADER, id);
            }
            Ok(response)
        }
        Err(_) => Err(Problem::result_timeout(&record, timeout)),
    }
}

/// The jobs, newest first.
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
    State(app): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<JobList>, Problem> {
    check_accept(&headers)?;
    let query = Query::parse(query.as_deref(), &["state", "function", "tag", "limit", "cursor"])?;
    let state = match query.text("state") {
        None => None,
        Some(text) => Some(JobState::parse(text).ok_or_else(|| {
            Invalid::new("state", "state must be queued, running, succeeded, failed or cancelled")
        })?),
    };
    let cursor = match query.text("cursor") {
        None => None,
        Some(text) => Some(
            JobId::parse(text)
                .ok_or_else(|| Invalid::new("cursor", "cursor must be the next_cursor of the page before"))?,
        ),
    };
    let limit = query.number("limit", 1..=LIST_MAX)?.unwrap_or(LIST_DEFAULT);
    app.service()?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let filter = Filter { state, function: text("function"), tag: text("tag") };
    let page = app.jobs.list(&filter, limit, cursor);
    let items = page.items.iter().map(|record| Job::of(record, &app.base_url)).collect();
    Ok(Json(JobList { items, next_cursor: page.next.map(|id| id.to_string()) }))
}

/// A pool that is gone has ended all its jobs, or is about to.
fn cancel(service: &Service, record: &Record) {
    if let Some(pool) = service.pools.get(&record.new.pool) {
        pool.cancel(record);
    }
}

/// Ends a job: what waits is dropped, what runs is killed, what has ended stays as it is.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The job, ended", body = Job),
              ReadProblems, JobProblems, AcceptedProblems, EmptyBodyProblems))]
pub async fn cancel_job(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    _: NoMembers,
) -> Result<Json<Job>, Problem> {
    let record = find(&app, &id)?;
    if !record.state().is_final() {
        cancel(app.service()?, &record);
        record.ended().await;
    }
    Ok(Json(Job::of(&record, &app.base_url)))
}

/// Cancels every job that matches all of these, as `cancelJob` does.
#[utoipa::path(post, path = "/v1/jobs/cancel", operation_id = "cancelJobs", tag = "jobs",
    request_body = CancelBody,
    responses((status = 200, description = "How many were cancelled", body = Cancelled),
              ReadProblems, EmptyBodyProblems))]
pub async fn cancel_jobs(
    State(app): State<Arc<Shared>>,
    SmallBody(body): SmallBody,
) -> Result<Json<Cancelled>, Problem> {
    let wanted = CancelRequest::parse(&body, app.limits.depth_max)?;
    let service = app.service()?;
    let filter = Filter { state: wanted.state, function: wanted.function, tag: wanted.tag };
    let mut ending = Vec::new();
    let mut cursor = None;
    loop {
        let page = app.jobs.list(&filter, LIST_MAX, cursor);
        ending.extend(page.items.into_iter().filter(|record| !record.state().is_final()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    for record in &ending {
        cancel(service, record);
    }
    let mut cancelled = 0;
    for record in &ending {
        record.ended().await;
        cancelled += u64::from(record.state() == JobState::Cancelled);
    }
    Ok(Json(Cancelled { cancelled }))
}

/// Forgets a job that has ended.
#[utoipa::path(delete, path = "/v1/jobs/{id}", operation_id = "deleteJob", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 204, description = "Forgotten"),
              (status = 409, description = "`not-finished`", body = ProblemBody,
               content_type = "application/problem+json"),
              ReadProblems, JobProblems, AcceptedProblems, EmptyBodyProblems))]
pub async fn delete_job(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    _: NoMembers,
) -> Result<StatusCode, Problem> {
    let record = find(&app, &id)?;
    if !record.state().is_final() {
        return Err(Problem::not_finished(&record));
    }
    app.jobs.forget(record.id);
    Ok(StatusCode::NO_CONTENT)
}

/// What a job's tasks wrote to standard output and error: as much as `--log-limit` keeps.
#[utoipa::path(get, path = "/v1/jobs/{id}/logs", operation_id = "getLogs", tag = "jobs",
    params(("id" = String, Path, description = "The job's id")),
    responses((status = 200, description = "The output; a last line says when it was cut", body = String,
               content_type = "text/plain"),
              ReadProblems, JobProblems, AcceptedProblems))]
pub async fn get_logs(
    State(app): State<Arc<Shared>>,
    Segment(id): Segment,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    check_accepts(&headers, "text/plain")?;
    Query::parse(query.as_deref(), &[])?;
    let record = find(&app, &id)?;
    let (output, cut) = record.log();
    let mut text = String::from_utf8_lossy(&output).into_owned();
    if cut {
        text.push_str("\n[cut: the job wrote more]\n");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
