//! Every answer of the service as a response: its status, its headers, its body.

use std::fmt::Display;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::edge::headers::{JOB_HEADER, id_value};
use super::edge::ndjson::NDJSON;
use super::edge::negotiate::Takes;
use super::edge::object_body::{delivered, json_text, page_text};
use super::edge::problem::{PROBLEM_JSON, Problem};
use super::edge::record_body::{Framing, record_body};
use super::edge::sse::{EVENT_STREAM, events_body};
use super::edge::value_body::{Raw, body_of, value_response};
use crate::api::{
    Cancelled, FunctionInfo, FunctionList, Job, JobList, PoolInfo, PoolList, ProcessInfo, ProcessList,
    WorkerInfo, WorkerList,
};
use crate::jobs::{AnswerBytes, FailureCode, Outcome};
use crate::schema::with_large_integers;
use crate::service::{Answer, Ended, JobPage, Printed, Records};

/// An answer as its client reads it. `base_url`: what links begin with; `raw`: whether a bytes value is wanted as it
/// is; `takes`: whether records are lines or events; `answers`: where it counts until its client has taken it.
pub(super) fn render(
    answer: Answer,
    base_url: &str,
    raw: Raw,
    takes: Takes,
    answers: &AnswerBytes,
) -> Response {
    match answer {
        Answer::Ended(ended) => outcome(ended, raw, answers),
        Answer::Accepted(job) => {
            let id = job.handle.id;
            let mut response = json(&Job::of(&job, base_url));
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(JOB_HEADER, id_value(id));
            locate(&mut response, base_url, format_args!("/v1/jobs/{id}"));
            response
        }
        Answer::Job(job) => json(&Job::of(&job, base_url)),
        Answer::Jobs(JobPage { items, next }) => {
            let items = items.iter().map(|job| Job::in_list(job, base_url)).collect();
            json(&JobList { items, next_cursor: next.map(|id| id.to_string()) })
        }
        Answer::Cancelled(cancelled) => json(&Cancelled { cancelled }),
        Answer::Done => StatusCode::NO_CONTENT.into_response(),
        Answer::Ready => "ok\n".into_response(),
        Answer::Printed(printed) => output(printed, answers),
        Answer::Following(follower) => {
            let id = id_value(follower.handle().id);
            let mut response = Response::new(events_body(*follower, base_url));
            let headers = response.headers_mut();
            headers.insert(JOB_HEADER, id);
            as_events(headers);
            response
        }
        Answer::Records(records) => stream(*records, takes),
        Answer::Function(function) => with_schemas(&FunctionInfo::of(&function)),
        Answer::Functions(functions) => {
            let items = functions.iter().map(|function| FunctionInfo::of(function)).collect();
            with_schemas(&FunctionList { items, next_cursor: None })
        }
        Answer::Pool(pool) => json(&PoolInfo::of(&pool)),
        Answer::PoolMade(made) => {
            created(base_url, &PoolInfo::of(&made), format_args!("/v1/pools/{}", made.pool.name))
        }
        Answer::Pools(pools) => {
            json(&PoolList { items: pools.iter().map(PoolInfo::of).collect(), next_cursor: None })
        }
        Answer::Workers(workers) => {
            json(&WorkerList { items: workers.into_iter().map(WorkerInfo::of).collect(), next_cursor: None })
        }
        Answer::Process(handle) => json(&ProcessInfo::of(&handle)),
        Answer::ProcessStarted(handle) => {
            created(base_url, &ProcessInfo::of(&handle), format_args!("/v1/processes/{}", handle.id))
        }
        Answer::Processes(page) => {
            let items = page.items.iter().map(|handle| ProcessInfo::of(handle)).collect();
            json(&ProcessList { items, next_cursor: page.next.map(|id| id.to_string()) })
        }
        Answer::Object(text) => json_text(text, answers),
        Answer::ObjectMade { at, shown } => {
            let mut response = json_text(shown, answers);
            locate(&mut response, base_url, format_args!("/v1/{at}"));
            response
        }
        Answer::Objects(page) => json_text(page_text(&page), answers),
        Answer::Delivered(answer) => delivered(answer, raw, answers),
    }
}

/// Says in an answer where the thing it is about is, by its path.
fn locate(response: &mut Response, base_url: &str, path: impl Display) {
    if let Ok(location) = HeaderValue::from_str(&format!("{base_url}{path}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
}

/// Records as they come.
fn stream(records: Records, takes: Takes) -> Response {
    let id = id_value(records.handle().id);
    let is_events = takes == Takes::Events;
    let framing = if is_events { Framing::Events } else { Framing::Lines };
    let mut response = Response::new(record_body(records, framing));
    let headers = response.headers_mut();
    headers.insert(JOB_HEADER, id);
    if is_events {
        as_events(headers);
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    }
    response
}

fn as_events(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

fn json(shown: &impl Serialize) -> Response {
    Json(shown).into_response()
}

fn created(base_url: &str, shown: &impl Serialize, path: impl Display) -> Response {
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    locate(&mut response, base_url, path);
    response
}

/// JSON with every digit of the numbers in its schemas.
fn with_schemas(shown: &impl Serialize) -> Response {
    // What derives its schema always has a JSON text.
    let text = serde_json::to_string(shown).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], with_large_integers(text)).into_response()
}

/// A job's outcome: the bare value, or a problem.
fn outcome(ended: Ended, raw: Raw, answers: &AnswerBytes) -> Response {
    let Ended { handle, outcome } = ended;
    match outcome {
        Outcome::Value(value) => {
            let mut response = value_response(value, raw, answers);
            response.headers_mut().insert(JOB_HEADER, id_value(handle.id));
            response
        }
        Outcome::Failure(failure) if failure.code == FailureCode::NotStarted => {
            Problem::draining().about(&handle).into_response()
        }
        Outcome::Failure(failure) => {
            let mut response = failure.to_json(Some(handle.id)).into_response();
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
            headers.insert(JOB_HEADER, id_value(handle.id));
            response
        }
    }
}

fn output(printed: Printed, answers: &AnswerBytes) -> Response {
    let Printed { who, bytes, cut } = printed;
    let mut text = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    if cut {
        text.push_str("\n[cut: the ");
        text.push_str(who);
        text.push_str(" wrote more]\n");
    }
    let body = body_of(vec![text.into()], answers);
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
