//! `application/problem+json`: what every answer that is no success looks like.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::code::{Code, CodeSpec};
use crate::jobs::{Exception, Failure};

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "urn:forkpool:unknown-function", "title": "There is no such function", "status": 404,
    "detail": "no function \"tasks.sqare\" is offered; near it: tasks.square",
    "code": "unknown-function", "near": ["tasks.square"]
}))]
pub struct Problem {
    /// A URN that ends in the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem this is, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This problem, and what to do.
    pub detail: String,
    /// One of the documented codes, for programs.
    pub code: String,
    /// The job that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The member of the request (or query parameter) that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The limit that was exceeded, in bytes or jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The flag that sets this limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knob: Option<String>,
    /// Names near the one that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<Vec<String>>,
    /// What the function raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptionInfo>,
    /// Which item of a map failed, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Where in the arguments or the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The signal that ended the worker or the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The exit status of the worker or the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The end of what the command wrote to its standard error, at most 8 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Whether the worker ended for want of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom: Option<bool>,
    /// Seconds after which to try again; also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// An exception of a function.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExceptionInfo {
    /// Its class.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// Its arguments, where JSON can say them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub args: Option<Box<RawValue>>,
    /// The function's own frames; left out with `--tracebacks=off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}

impl Problem {
    /// A problem with nothing but what all of its code have; what is worth another try says when.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let CodeSpec { code, status, title, .. } = *code.spec();
        Self {
            kind: format!("urn:forkpool:{code}"),
            title: title.into(),
            status,
            detail: detail.into(),
            code: code.into(),
            retry_after: matches!(status, 408 | 503).then_some(1),
            ..Self::default()
        }
    }

    /// A job's ending without a value. 422, whatever ended it: a 5xx is never an outcome.
    pub fn of_failure(failure: &Failure) -> Self {
        let mut problem = Self::new(failure.code.into(), failure.detail.as_str());
        problem.exception = failure.exception.as_ref().map(ExceptionInfo::from);
        problem.index = failure.index;
        problem.path.clone_from(&failure.path);
        problem.signal = failure.signal.as_deref().map(str::to_owned);
        problem.exit_code = failure.exit_code;
        problem.stderr.clone_from(&failure.stderr);
        problem.oom = failure.oom.then_some(true);
        problem.limit = failure.limit.map(|limit| limit as u64);
        problem
    }
}

impl From<&Exception> for ExceptionInfo {
    fn from(exception: &Exception) -> Self {
        Self {
            kind: exception.kind.clone(),
            message: exception.message.clone(),
            args: exception.args.clone(),
            traceback: exception.traceback.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{FailureCode, JobId};

    /// The record of an item that failed is written where no API is known; it is the same problem.
    #[test]
    fn a_failure_is_the_same_problem_in_a_record() {
        let mut failure = Failure::new(FailureCode::CommandFailed, "\"no\"\n");
        let check = |failure: &Failure| {
            let problem = serde_json::to_string(&Problem::of_failure(failure)).unwrap();
            assert_eq!(String::from_utf8(failure.to_json(None)).unwrap(), problem);
            let id = JobId::new();
            let of_job = Problem { instance: Some(format!("/v1/jobs/{id}")), ..Problem::of_failure(failure) };
            let of_job = serde_json::to_string(&of_job).unwrap();
            assert_eq!(String::from_utf8(failure.to_json(Some(id))).unwrap(), of_job);
        };
        check(&failure);
        failure.exception = Some(Exception {
            kind: "ValueError".into(),
            message: "é".into(),
            args: RawValue::from_string("[1, 2]".into()).ok(),
            traceback: Some("line\n".into()),
        });
        (failure.index, failure.path, failure.signal) =
            (Some(7), Some("$[0]".into()), Some("SIGKILL".into()));
        (failure.exit_code, failure.stderr) = (Some(-3), Some("err".into()));
        (failure.oom, failure.limit) = (true, Some(64));
        check(&failure);
    }
}
