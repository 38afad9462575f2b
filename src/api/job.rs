//! A job as the API shows it.

use std::time::SystemTime;

use serde::{Serialize, Serializer, ser};
use utoipa::ToSchema;

use super::problem::Problem;
use crate::jobs::{self, Outcome};
use crate::service::JobShown;

/// One submission: the service's AsyncResult.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11", "kind": "apply", "function": "tasks.square",
    "pool": "python", "state": "succeeded", "ready": true, "successful": true,
    "progress": {"done": 1, "total": 1}, "attempts": 1, "durable": false, "tags": [],
    "created_at": "2026-01-02T03:04:05.678Z", "started_at": "2026-01-02T03:04:05.679Z",
    "finished_at": "2026-01-02T03:04:05.680Z", "expires_at": "2026-01-02T04:04:05.680Z",
    "links": {"self": "/v1/jobs/0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11",
              "result": "/v1/jobs/0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11/result",
              "cancel": "/v1/jobs/0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11/cancel"}
}))]
pub struct Job {
    /// UUIDv7.
    pub id: String,
    /// `apply`, `map`, `starmap`, `imap` or `imap_unordered`.
    pub kind: String,
    /// Public name of the function.
    pub function: String,
    /// The pool that runs it.
    pub pool: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: String,
    /// `AsyncResult.ready()`.
    pub ready: bool,
    /// `AsyncResult.successful()`; only once it is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful: Option<bool>,
    /// How far it is.
    pub progress: Progress,
    /// How often it was started.
    pub attempts: u32,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Items a task, for maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunksize: Option<u64>,
    /// Seconds that a task may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_timeout: Option<f64>,
    /// The client's own labels.
    pub tags: Vec<String>,
    /// When it was accepted (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When its first task was handed to a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub finished_at: Option<String>,
    /// When it will be forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Why it ended without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// What earlier attempts failed with, the latest last: at most 10, their texts cut to 8 KiB each. Not in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub attempt_errors: Vec<AttemptError>,
    /// True if it goes on although the client that waited for it has left: its value will be discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected: Option<bool>,
    /// Where to go on.
    pub links: Links,
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Progress {
    /// As its function says by `forkpool.progress`; else items done: of a map, as they are done, also in chunks that
    /// run.
    #[serde(serialize_with = "plainly")]
    #[schema(minimum = 0)]
    pub done: f64,
    /// Likewise; items in all, 1 for a call.
    #[serde(serialize_with = "plainly")]
    #[schema(minimum = 0)]
    pub total: f64,
    /// What its function says that it is at, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A whole number without a fraction.
fn plainly<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    number.to_string().parse::<serde_json::Number>().map_err(ser::Error::custom)?.serialize(to)
}

/// What an attempt failed with that another one followed.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttemptError {
    /// Which attempt of its task, from 1.
    pub attempt: u32,
    /// When it was known.
    #[schema(format = DateTime)]
    pub at: String,
    /// Why; of an item of a map, with its `index`.
    pub error: Problem,
}

impl AttemptError {
    fn of(error: &jobs::AttemptError) -> Self {
        Self { attempt: error.attempt, at: timestamp(error.at), error: Problem::of_failure(&error.failure) }
    }
}

/// Where to go on from a job: paths, or with `--public-url` absolute.
#[derive(Debug, Serialize, ToSchema)]
pub struct Links {
    /// The job.
    #[serde(rename = "self")]
    pub this: String,
    /// Its value.
    pub result: String,
    /// Ends it.
    pub cancel: String,
}

impl Job {
    /// A job as the API shows it; `base` is what links begin with.
    pub fn of(shown: &JobShown, base: &str) -> Self {
        let errors = &shown.now.state.attempt_errors;
        Self { attempt_errors: errors.iter().map(AttemptError::of).collect(), ..Self::in_list(shown, base) }
    }

    /// The same among others.
    pub fn in_list(shown: &JobShown, base: &str) -> Self {
        let JobShown { handle, now } = shown;
        let this = format!("/v1/jobs/{}", handle.id);
        let state = &now.state;
        let (done, total) = state.amounts();
        let error = match &state.outcome {
            Some(Outcome::Failure(failure)) => {
                Some(Problem { instance: Some(this.clone()), ..Problem::of_failure(failure) })
            }
            Some(Outcome::Value(_)) | None => None,
        };
        Self {
            id: handle.id.to_string(),
            kind: handle.kind.as_str().into(),
            function: handle.function.to_string(),
            pool: handle.pool.to_string(),
            state: state.state().as_str().into(),
            ready: state.outcome.is_some(),
            successful: state.outcome.as_ref().map(|outcome| matches!(outcome, Outcome::Value(_))),
            progress: Progress { done, total, message: state.message().map(str::to_owned) },
            attempts: state.attempts,
            durable: false,
            chunksize: handle.chunksize,
            run_timeout: handle.terms.run_timeout.map(|timeout| timeout.as_secs_f64()),
            tags: handle.terms.tags.clone(),
            created_at: timestamp(handle.created_at),
            started_at: state.started_at.map(timestamp),
            finished_at: state.finished_at.map(timestamp),
            expires_at: now.expires_at.map(timestamp),
            error,
            attempt_errors: Vec::new(),
            disconnected: now.is_left.then_some(true),
            links: Links {
                result: format!("{base}{this}/result"),
                cancel: format!("{base}{this}/cancel"),
                this: format!("{base}{this}"),
            },
        }
    }
}

/// A moment as RFC 3339 in UTC, to the microsecond.
pub fn timestamp(at: SystemTime) -> String {
    // Beyond the year 9999 nothing sensible can be said; the epoch stands for it.
    let at = jiff::Timestamp::try_from(at).unwrap_or_default();
    format!("{at:.6}")
}
