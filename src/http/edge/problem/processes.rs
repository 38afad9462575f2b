//! Problems of Processes.

use axum::http::StatusCode;

use super::Problem;
use crate::jobs::FailureCode;
use crate::processes::NotStarted;

impl Problem {
    /// No such Process.
    pub fn unknown_process() -> Self {
        let detail = "no process has this id; one that ended long ago is forgotten (--process-ttl, \
                      --ended-processes); GET /v1/processes lists what there is";
        Self::new(StatusCode::NOT_FOUND, "unknown-process", "There is no such process", detail)
    }

    /// No Process was started.
    pub fn of_not_started(error: &NotStarted, target: &str) -> Self {
        match error {
            NotStarted::Overloaded(limit) => {
                let detail = format!(
                    "{limit} processes live, as many as may (--processes); nothing was started, try again later"
                );
                let title = "Too many processes live";
                let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", title, detail);
                problem.0.limit = Some(*limit as u64);
                problem.0.knob = Some("--processes".into());
                problem.retry_after(1)
            }
            NotStarted::Draining => Self::draining(),
            NotStarted::UnknownFunction => Self::unknown_function(target, Vec::new()),
            NotStarted::Arguments { unknown_ref, message, path } => {
                let code = if *unknown_ref { FailureCode::UnknownRef } else { FailureCode::InvalidArguments };
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                let mut problem = Self::new(status, code.as_str(), code.title(), message.as_str());
                problem.0.path.clone_from(path);
                problem
            }
            NotStarted::Failed(reason) => {
                let detail = format!("no process runs {target}: {reason}");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "unavailable", "The process could not be started", detail).retry_after(1)
            }
        }
    }
}
