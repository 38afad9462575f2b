//! The one map from what can go wrong to a status, a code and a sentence.

mod objects;
mod pools;
mod processes;
mod refusal;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::{self, BodyProblem, Code, Invalid};
use crate::catalog::Function;
use crate::http::edge::body::{BodyError, SMALL_BYTES_MAX};
use crate::jobs::{JobHandle, KeysFull, Overloaded};
use crate::pool::{BootFailure, BootReason, Pool};

/// Its media type.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An answer that is no success.
#[derive(Debug)]
pub struct Problem(Box<api::Problem>);

impl Problem {
    /// A problem with nothing but what all of its code have.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(api::Problem::new(code, detail)))
    }

    /// `overloaded`: this limit, which the flag sets, is reached.
    fn at_limit(title: &'static str, detail: impl Into<String>, limit: usize, flag: &str) -> Self {
        let mut problem = Self::new(Code::Overloaded, detail).titled(title);
        problem.0.limit = Some(limit as u64);
        problem.0.knob = Some(flag.to_owned());
        problem
    }

    /// With another title than its code's.
    fn titled(mut self, title: &str) -> Self {
        self.0.title = title.to_owned();
        self
    }

    /// With the member or header of the request that is wrong.
    fn of_member(mut self, member: impl Into<String>) -> Self {
        self.0.member = Some(member.into());
        self
    }

    /// Its JSON.
    pub fn text(&self) -> Vec<u8> {
        // A struct of strings and numbers always has a JSON text.
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// The job that it is about.
    #[must_use]
    pub fn about(mut self, handle: &JobHandle) -> Self {
        self.0.instance = Some(format!("/v1/jobs/{}", handle.id));
        self
    }

    /// The server is loading code.
    pub fn starting() -> Self {
        let detail = "the server is loading code and starting workers; /readyz is 200 when it takes work";
        Self::new(Code::Starting, detail)
    }

    /// The server goes down.
    pub fn draining() -> Self {
        let detail = "the server is going down and takes no more work; nothing of this was run";
        Self::new(Code::Draining, detail)
    }

    /// No such function.
    pub fn unknown_function(name: &str, near: Vec<String>) -> Self {
        let name: String = name.chars().take(200).collect();
        let hint = match near.as_slice() {
            [] => "none is near; GET /v1/functions lists all".to_owned(),
            near => format!("near it: {}; GET /v1/functions lists all", near.join(", ")),
        };
        let detail = format!("no function {name:?} is offered; {hint}");
        let mut problem = Self::new(Code::UnknownFunction, detail);
        problem.0.near = (!near.is_empty()).then_some(near);
        problem
    }

    /// No such pool.
    pub fn unknown_pool(name: &str, known: &str) -> Self {
        let name: String = name.chars().take(200).collect();
        let detail = format!("there is no pool {name:?}; there are: {known}; POST /v1/pools makes one");
        Self::new(Code::UnknownPool, detail)
    }

    /// A pool of another runtime.
    pub fn wrong_pool(function: &Function, pool: &Pool) -> Self {
        let detail = format!(
            "{} is a {} function and the pool {} runs {} functions",
            function.name, function.runtime, pool.name, pool.runtime
        );
        Self::new(Code::WrongPool, detail).of_member("pool")
    }

    /// No such job.
    pub fn unknown_job() -> Self {
        let detail = "no job has this id (or it was forgotten); GET /v1/jobs lists the jobs";
        Self::new(Code::UnknownJob, detail)
    }

    /// The job expired.
    pub fn expired() -> Self {
        let detail = "the job has ended and its result has expired (--result-ttl, --failure-ttl, or the room \
                      of --finished-jobs and --finished-bytes)";
        Self::new(Code::Expired, detail)
    }

    /// The job is older than the server.
    pub fn lost_at_restart() -> Self {
        let detail = "the job is older than this server, which keeps jobs in memory; submit it again";
        Self::new(Code::LostAtRestart, detail)
    }

    /// The job hasn't ended.
    pub fn not_finished(handle: &JobHandle) -> Self {
        let detail = "only a job that has ended can be forgotten; cancel it first (POST …/cancel)";
        Self::new(Code::NotFinished, detail).about(handle)
    }

    /// `AsyncResult.get` ran out of time.
    pub fn result_timeout(handle: &JobHandle, waited: std::time::Duration) -> Self {
        let seconds = waited.as_secs_f64();
        let detail = format!("the job was not ready within {seconds} s; it goes on, ask again");
        Self::new(Code::ResultTimeout, detail).about(handle)
    }

    /// No such path.
    pub fn unknown_path(path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let detail =
            format!("there is nothing at {path:?}; /docs shows what there is, /openapi.json lists it");
        Self::new(Code::NotFound, detail)
    }

    /// Another method would do.
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        let detail =
            format!("{path:?} does not take {method}; the Allow header names the methods that it takes");
        Self::new(Code::MethodNotAllowed, detail)
    }

    /// The body must be of this media type.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let hint = if wanted == "application/json" { " (curl's --json does)" } else { "" };
        let detail = format!("send the body with Content-Type: {wanted}{hint}");
        Self::new(Code::UnsupportedMediaType, detail)
    }

    /// The body must not be compressed.
    pub fn unsupported_encoding(header: &str, coding: &str) -> Self {
        let coding: String = coding.chars().take(40).collect();
        let detail = format!(
            "the body's {header} is {coding:?}; this server reads bodies without one: send it uncompressed and leave \
             the header out"
        );
        Self::new(Code::UnsupportedMediaType, detail).titled("The body's encoding is not supported")
    }

    /// Accept allows nothing that can be answered.
    pub fn not_acceptable(what: &str) -> Self {
        let detail = format!("the answer is {what}, which the Accept header does not allow; nothing was run");
        Self::new(Code::NotAcceptable, detail)
    }

    /// The body can't be had.
    pub fn of_body(error: &BodyError) -> Self {
        match error {
            BodyError::TooLarge { limit } => Self::too_large(*limit, Some("--body-limit")),
            BodyError::TooLargeHere => Self::too_large(SMALL_BYTES_MAX, None),
            BodyError::Stalled { after } => {
                let detail = format!("the body brought no byte for {} s (--body-stall)", after.as_secs_f64());
                Self::new(Code::InvalidRequest, detail)
            }
            BodyError::TooSlow { .. } => {
                let detail = format!("{error} (the floor after twice --body-stall); send it faster");
                Self::new(Code::InvalidRequest, detail)
            }
            BodyError::Overloaded(overloaded) => Self::overloaded(overloaded),
            BodyError::Broken(error) => {
                let detail = format!("the body could not be read: {error}");
                Self::new(Code::InvalidRequest, detail)
            }
        }
    }

    fn too_large(limit: usize, flag: Option<&str>) -> Self {
        let which = flag.unwrap_or("the most that is taken here");
        let detail = format!("the body is larger than {limit} bytes ({which})");
        let mut problem = Self::new(Code::BodyTooLarge, detail);
        problem.0.limit = Some(limit as u64);
        problem.0.knob = flag.map(str::to_owned);
        problem
    }

    /// The queue is full.
    pub fn overloaded(overloaded: &Overloaded) -> Self {
        let detail = format!("{overloaded}; nothing of this was run, try again later");
        let (limit, flag) = match overloaded {
            Overloaded::Jobs(limit) => (*limit, "--queue-jobs"),
            Overloaded::Bytes(limit) => (*limit, "--queue-bytes"),
            Overloaded::Answers(limit) => (*limit, "--answer-bytes"),
        };
        let title = match overloaded {
            Overloaded::Jobs(_) | Overloaded::Bytes(_) => "The queue is full",
            Overloaded::Answers(_) => "Too many answers wait to be taken",
        };
        Self::at_limit(title, detail, limit, flag)
    }

    /// A connection was one too many.
    pub fn too_many_connections(most: usize) -> Self {
        let detail = format!(
            "{most} connections are open, the most allowed (--connections); nothing of this was run. Try again later, \
             and keep connections open for more than one request"
        );
        Self::at_limit("Too many connections are open", detail, most, "--connections")
    }

    /// The key came with another request before.
    pub fn idempotency_mismatch() -> Self {
        let detail = "this Idempotency-Key came with another request before (the path, the query or a byte of the \
                      body differs); take a new key for a new request. Nothing of this was run";
        Self::new(Code::IdempotencyMismatch, detail).of_member("Idempotency-Key")
    }

    /// The key's answer was kept for its time.
    pub fn answer_expired() -> Self {
        let detail = "this request was answered before, and the answer has expired with its result (--result-ttl, \
                      --failure-ttl, or the room of --idempotency-bytes); a key's request is never run again";
        Self::new(Code::Expired, detail).titled("The answer has expired")
    }

    /// The key's request was taken and the server failed to answer it.
    pub fn answer_lost() -> Self {
        let detail =
            "this request was taken before, and its answer was lost; a key's request is never run again";
        Self::new(Code::Interrupted, detail).titled("The answer was lost")
    }

    /// No more idempotency keys can be remembered.
    pub fn keys_full(full: KeysFull) -> Self {
        let (bounds, limit, flag) = match full {
            KeysFull::Keys(bounds) => (bounds, bounds.keys_max, "--idempotency-keys"),
            KeysFull::Bytes(bounds) => (bounds, bounds.bytes_max, "--idempotency-bytes"),
        };
        let hours = bounds.ttl.as_secs_f64() / 3_600.0;
        let detail = format!(
            "no more idempotency keys are taken: they are kept for {hours} h, {} of them (--idempotency-keys) with \
             {} bytes of keys and answers (--idempotency-bytes); nothing of this was run, try again later or without a \
             key",
            bounds.keys_max, bounds.bytes_max
        );
        Self::at_limit("There is no room for more keys", detail, limit, flag).retry_after(60)
    }

    /// The function kills its workers.
    pub fn function_quarantined(function: &Function, rest: std::time::Duration) -> Self {
        let seconds = u32::try_from(rest.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        let detail = format!(
            "{} has killed 10 workers within 10 s and takes no work for {seconds} s; nothing of this was run",
            function.name
        );
        Self::new(Code::FunctionQuarantined, detail).retry_after(seconds)
    }

    /// The name is taken.
    pub fn pool_exists(name: &str) -> Self {
        let detail = format!("there is a pool {name} (or one just ends); DELETE it, or take another name");
        Self::new(Code::AlreadyExists, detail)
    }

    /// `ValueError: Pool not running`.
    pub fn pool_closed(pool: &Pool) -> Self {
        let detail = format!("the pool {} is closed and takes no more work", pool.name);
        Self::new(Code::PoolClosed, detail)
    }

    /// `ValueError: Pool is still running`.
    pub fn pool_running(pool: &Pool) -> Self {
        let detail = format!("the pool {} is still running: close it before it is joined", pool.name);
        Self::new(Code::PoolRunning, detail)
    }

    /// The pool lasts as long as the server.
    pub fn pool_permanent(pool: &Pool) -> Self {
        let detail = format!(
            "the pool {} was made at the server's start and lasts as long as it: it can be resized, not closed \
             or deleted",
            pool.name
        );
        Self::new(Code::PoolPermanent, detail)
    }

    /// `Pool.join` ran out of time.
    pub fn join_timeout(pool: &Pool, waited: std::time::Duration) -> Self {
        let seconds = waited.as_secs_f64();
        let detail = format!("the pool {} had not ended its work within {seconds} s; it goes on", pool.name);
        Self::new(Code::JoinTimeout, detail)
    }

    /// The workers of a new pool can't become ready.
    pub fn of_boot(failure: &BootFailure) -> Self {
        match failure.reason {
            BootReason::Memory => Invalid::new("max_rss", failure.detail.as_str()).into(),
            BootReason::Initializer | BootReason::Loading => {
                let detail = format!("{}; no pool was made", failure.detail);
                let mut problem = Self::new(Code::InitializerFailed, detail);
                if failure.reason == BootReason::Loading {
                    problem = problem.titled("The code could not be loaded");
                }
                problem.0.exception = failure.exception.as_ref().map(api::ExceptionInfo::from);
                problem
            }
        }
    }

    /// A new pool's workers did not come in time.
    pub fn not_made(pool: &Pool) -> Self {
        let detail = format!(
            "the workers of the pool {} were not ready in time (--start-timeout); no pool was made",
            pool.name
        );
        Self::new(Code::Unavailable, detail)
    }

    /// No worker takes tasks.
    pub fn unavailable(pool: &Pool) -> Self {
        let detail = format!("the pool {} has no usable worker now", pool.name);
        Self::new(Code::Unavailable, detail)
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let named = invalid.detail.contains(invalid.member.as_str());
        let prefix = if named { String::new() } else { format!("{}: ", shortened(&invalid.member)) };
        let detail = format!("{prefix}{}", invalid.detail);
        Self::new(Code::InvalidRequest, detail).of_member(shortened(&invalid.member))
    }
}

impl From<BodyProblem> for Problem {
    fn from(problem: BodyProblem) -> Self {
        match problem {
            BodyProblem::NotJson(detail) => Self::new(Code::InvalidJson, detail),
            BodyProblem::Invalid(invalid) => invalid.into(),
            BodyProblem::NotDurable => {
                let detail = "this server keeps jobs in memory; leave durable out";
                Self::new(Code::NotDurable, detail).of_member("durable")
            }
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = self.text();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(instance) = &self.0.instance {
            let id = instance.trim_start_matches("/v1/jobs/");
            if let Ok(id) = HeaderValue::from_str(id) {
                headers.insert(crate::http::edge::headers::JOB_HEADER, id);
            }
        }
        response
    }
}
