//! `apply`, `applyAsync`, `map`, `mapAsync`.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body::{declared_length, read_body};
use super::idempotency::{NothingRan, ResultLife};
use super::negotiate::check_work;
use super::problem::Problem;
use super::state::{Service, Shared};
use super::value::{value_response, wants_raw};
use crate::api::{
    ApplyBody, ApplyRequest, Job, MapBody, MapRequest, Options, OutcomeProblems, ReadProblems, SubmitProblems,
};
use crate::jobs::{FailureCode, JobKind, NewJob, Outcome, Record, Reservation};
use crate::pool::{Function, Pool, Submission, Work};

/// Every submission answers its job's id here.
pub const JOB_HEADER: HeaderName = HeaderName::from_static("forkpool-job");
/// Tasks that each worker gets of a map whose chunksize is not given, as the library.
const CHUNKS_PER_WORKER: usize = 4;

/// Calls a function and answers its value (`Pool.apply`).
#[utoipa::path(post, path = "/v1/apply", operation_id = "apply", tag = "submit", request_body = ApplyBody,
    responses((status = 200, description = "The bare value", body = serde_json::Value,
               content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!(9)),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn apply(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let raw = wants_raw(request.headers());
    let job = submit_apply(&app, request, false).await?;
    answer(app, job, raw).await
}

/// Submits a call; its value is fetched by the job's id (`Pool.apply_async`).
#[utoipa::path(post, path = "/v1/apply_async", operation_id = "applyAsync", tag = "submit",
    request_body = ApplyBody,
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn apply_async(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    submit_apply(&app, request, true).await.map(|job| accepted(&app, job))
}

/// Calls a function for each item and answers the values in order (`Pool.map`).
#[utoipa::path(post, path = "/v1/map", operation_id = "map", tag = "submit", request_body = MapBody,
    responses((status = 200, description = "The bare array of values, in order",
               body = Vec<serde_json::Value>, content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!([1, 4, 9])),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn map(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let job = submit_map(&app, request, false, false).await?;
    answer(app, job, false).await
}

/// Submits a map; its values are fetched by the job's id (`Pool.map_async`).
#[utoipa::path(post, path = "/v1/map_async", operation_id = "mapAsync", tag = "submit",
    request_body = MapBody,
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn map_async(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    submit_map(&app, request, false, true).await.map(|job| accepted(&app, job))
}

/// Calls a function for each item with the item's elements as arguments (`Pool.starmap`).
#[utoipa::path(post, path = "/v1/starmap", operation_id = "starmap", tag = "submit",
    request_body(content = MapBody, example = json!({"function": "tasks.power", "iterable": [[2, 3], [3, 2]]})),
    responses((status = 200, description = "The bare array of values, in order",
               body = Vec<serde_json::Value>, content_type = "application/json",
               headers(("Forkpool-Job" = String, description = "The job's id")), example = json!([8, 9])),
              ReadProblems, SubmitProblems, OutcomeProblems))]
pub async fn starmap(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    let job = submit_map(&app, request, true, false).await?;
    answer(app, job, false).await
}

/// Submits a starmap; its values are fetched by the job's id (`Pool.starmap_async`).
#[utoipa::path(post, path = "/v1/starmap_async", operation_id = "starmapAsync", tag = "submit",
    request_body(content = MapBody, example = json!({"function": "tasks.power", "iterable": [[2, 3], [3, 2]]})),
    responses((status = 202, description = "Accepted", body = Job,
               headers(("Forkpool-Job" = String, description = "The job's id"),
                       ("Location" = String, description = "The job"))),
              ReadProblems, SubmitProblems))]
pub async fn starmap_async(State(app): State<Arc<Shared>>, request: Request) -> Result<Response, Problem> {
    submit_map(&app, request, true, true).await.map(|job| accepted(&app, job))
}

/// A job just submitted, and where.
pub(super) struct Submitted {
    pub record: Arc<Record>,
    pool: Pool,
    /// Of a retained job: as it was before its pool could start it.
    shown: Option<Box<Job>>,
}

/// One call of a function, as its request says it.
pub(super) struct OneCall {
    pub options: Options,
    pub arguments: Bytes,
    pub keywords: Option<Bytes>,
    /// Its arguments were checked against the function's types.
    pub typed: bool,
}

async fn submit_apply(app: &Shared, request: Request, retained: bool) -> Result<Submitted, Problem> {
    let (body, room) = body_of_work(app, request).await?;
    let wanted = ApplyRequest::parse(&body, app.limits.depth_max)?;
    let service = app.service_for_work()?;
    let function = service.function(&wanted.function)?;
    let ApplyRequest { options, arguments, keywords, .. } = wanted;
    let call = OneCall { options, arguments, keywords, typed: false };
    submit_one(app, service, function, call, retained, (body, room))
}

/// What `apply` and a typed call have in common: the job of one task.
pub(super) fn submit_one(
    app: &Shared,
    service: &Service,
    function: &Arc<Function>,
    call: OneCall,
    retained: bool,
    (body, room): (Bytes, Reservation),
) -> Result<Submitted, Problem> {
    let pool = &service.pool_for(function, call.options.pool.as_deref())?;
    let new = NewJob {
        kind: JobKind::Apply,
        function: Arc::clone(&function.name),
        pool: Arc::clone(&pool.name),
        total: 1,
        chunksize: None,
        retained,
        terms: call.options.into_terms(function.run_timeout, function.retries),
    };
    let work = Work::Call {
        arguments: kept(call.arguments, &body, retained),
        keywords: call.keywords.map(|keywords| kept(keywords, &body, retained)),
        typed: call.typed,
    };
    submit(app, pool, function, new, work, room)
}

async fn submit_map(
    app: &Shared,
    request: Request,
    spread: bool,
    retained: bool,
) -> Result<Submitted, Problem> {
    let (body, room) = body_of_work(app, request).await?;
    let wanted = MapRequest::parse(&body, app.limits.depth_max)?;
    let service = app.service_for_work()?;
    let function = service.function(&wanted.function)?;
    let pool = &service.pool_for(function, wanted.options.pool.as_deref())?;
    let chunksize = wanted.chunksize.unwrap_or_else(|| default_chunksize(wanted.count, pool.processes()));
    let new = NewJob {
        kind: if spread { JobKind::Starmap } else { JobKind::Map },
        function: Arc::clone(&function.name),
        pool: Arc::clone(&pool.name),
        total: wanted.count as u64,
        chunksize: Some(chunksize as u64),
        retained,
        terms: wanted.options.into_terms(function.run_timeout, function.retries),
    };
    let items = kept(wanted.items, &body, retained);
    let work = Work::Map { items, chunksize, spread, collect: wanted.collect };
    submit(app, pool, function, new, work, room)
}

/// Arguments that wait must not hold a whole read buffer for a few bytes.
fn kept(part: Bytes, body: &Bytes, retained: bool) -> Bytes {
    if retained && part.len() < body.len().max(16 << 10) / 2 { Bytes::copy_from_slice(&part) } else { part }
}

/// As `multiprocessing.Pool.map`: `ceil(len / (4 * workers))`; an empty iterable has none.
fn default_chunksize(items: usize, workers: usize) -> usize {
    items.div_ceil((workers * CHUNKS_PER_WORKER).max(1))
}

/// A body that is being read. Boxed: the futures of handlers stay so small that the allocator has them at hand.
pub(super) type Reading<'a> =
    Pin<Box<dyn Future<Output = Result<(Bytes, Reservation), Problem>> + Send + 'a>>;

/// The body of a request for work that has no query, as [`body_of`] reads it.
pub(super) fn body_of_work(app: &Shared, request: Request) -> Reading<'_> {
    match check_work(&request, &[]) {
        Ok(_) => body_of(app, request),
        Err(problem) => Box::pin(ready(Err(problem))),
    }
}

/// The body of a request for work, its bytes counted as queued.
pub(super) fn body_of(app: &Shared, request: Request) -> Reading<'_> {
    let (head, body) = request.into_parts();
    let declared = declared_length(&body, &head.headers);
    Box::pin(async move {
        app.service_for_work()?;
        let limits = &app.limits;
        let mut room = app.admission.reserve();
        let (limit, stall) = (limits.body_bytes_max, limits.body_stall_timeout);
        let read = read_body(body, declared, limit, stall, &mut room).await;
        read.map(|body| (body, room)).map_err(|error| Problem::of_body(&error))
    })
}

fn submit(
    app: &Shared,
    pool: &Pool,
    function: &Arc<Function>,
    new: NewJob,
    work: Work,
    room: Reservation,
) -> Result<Submitted, Problem> {
    let permit = room.into_permit().map_err(|overloaded| Problem::overloaded(&overloaded))?;
    let record = Arc::new(Record::new(new));
    app.jobs.insert(Arc::clone(&record));
    let shown = record.new.retained.then(|| Box::new(Job::of(&record, &app.base_url)));
    pool.submit(Submission { record: Arc::clone(&record), function: Arc::clone(function), work, permit });
    Ok(Submitted { record, pool: pool.clone(), shown })
}

/// A synchronous job: forgotten once answered, abandoned when its client leaves (which drops the handler).
struct Attended<'a> {
    app: &'a Shared,
    job: &'a Submitted,
}

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        let record = &self.job.record;
        if !record.state().is_final() {
            self.job.pool.abandon(record);
        }
        self.app.jobs.forget(record.id);
    }
}

pub(super) async fn answer(app: Arc<Shared>, job: Submitted, raw: bool) -> Result<Response, Problem> {
    let attended = Attended { app: &app, job: &job };
    let outcome = job.record.ended().await;
    drop(attended);
    let nothing_ran = nothing_ran(&job.record, &outcome);
    let mut response = outcome_response(&job.record, outcome, raw).unwrap_or_else(Problem::into_response);
    response.headers_mut().insert(JOB_HEADER, id_value(&job.record));
    if let Some(ttl) = job.record.new.terms.result_ttl {
        response.extensions_mut().insert(ResultLife(ttl));
    }
    if nothing_ran {
        response.extensions_mut().insert(NothingRan);
    }
    Ok(response)
}

/// A call's worker refuses an unknown object before it calls; other tasks of the job, and earlier attempts, may have
/// run.
fn nothing_ran(record: &Record, outcome: &Outcome) -> bool {
    let refused = matches!(outcome, Outcome::Failure(failure) if failure.code == FailureCode::UnknownRef);
    refused && record.new.kind == JobKind::Apply && record.snapshot().attempts <= 1
}

/// A job's ending as an answer.
pub fn outcome_response(record: &Record, outcome: Outcome, raw: bool) -> Result<Response, Problem> {
    match outcome {
        Outcome::Value(value) => Ok(value_response(value, raw)),
        Outcome::Failure(failure) => Err(if failure.code == FailureCode::NotStarted {
            Problem::draining().about(record)
        } else {
            Problem::outcome(&failure, record)
        }),
    }
}

pub(super) fn accepted(app: &Shared, job: Submitted) -> Response {
    let Submitted { record, shown, .. } = job;
    let shown = shown.unwrap_or_else(|| Box::new(Job::of(&record, &app.base_url)));
    let mut response = (StatusCode::ACCEPTED, axum::Json(shown)).into_response();
    response.headers_mut().insert(JOB_HEADER, id_value(&record));
    app.locate(&mut response, format_args!("/v1/jobs/{}", record.id));
    response
}

fn id_value(record: &Record) -> HeaderValue {
    // Hexadecimal digits and dashes are always a header value.
    HeaderValue::from_str(&record.id.to_string()).unwrap_or(HeaderValue::from_static("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_futures_of_handlers_are_small() {
        fn bytes<F>(_: impl FnOnce(State<Arc<Shared>>, Request) -> F) -> usize {
            size_of::<F>()
        }
        // Each request allocates one: up to 1,032 bytes glibc keeps at hand, larger ones cost it a search.
        for bytes in [bytes(apply), bytes(apply_async), bytes(map), bytes(map_async)] {
            assert!(bytes <= 1_000, "{bytes}");
        }
    }

    #[test]
    fn chunksize_is_the_librarys() {
        // q, r = divmod(len, workers * 4); q + (r > 0)
        for (items, workers, want) in
            [(0, 2, 0), (1, 2, 1), (8, 2, 1), (9, 2, 2), (10, 5, 1), (1_000_000, 2, 125_000)]
        {
            assert_eq!(default_chunksize(items, workers), want, "{items} items, {workers} workers");
        }
    }
}
