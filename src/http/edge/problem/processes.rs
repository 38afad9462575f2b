//! Problems of Processes.

use super::Problem;
use crate::api::Code;
use crate::processes::NotStarted;

impl Problem {
    /// No such Process.
    pub fn unknown_process() -> Self {
        let detail = "no process has this id; one that ended long ago is forgotten (--process-ttl, \
                      --ended-processes); GET /v1/processes lists what there is";
        Self::new(Code::UnknownProcess, detail)
    }

    /// No Process was started.
    pub fn of_not_started(error: &NotStarted, target: &str) -> Self {
        match error {
            NotStarted::Overloaded(limit) => {
                let detail = format!(
                    "{limit} processes live, as many as may (--processes); nothing was started, try again later"
                );
                Self::at_limit("Too many processes live", detail, *limit, "--processes")
            }
            NotStarted::Draining => Self::draining(),
            NotStarted::UnknownFunction => Self::unknown_function(target, Vec::new()),
            NotStarted::Arguments { unknown_ref, message, path } => {
                let code = if *unknown_ref { Code::UnknownRef } else { Code::InvalidArguments };
                let mut problem = Self::new(code, message.as_str());
                problem.0.path.clone_from(path);
                problem
            }
            NotStarted::Failed(reason) => {
                let detail = format!("no process runs {target}: {reason}");
                Self::new(Code::Unavailable, detail).titled("The process could not be started")
            }
        }
    }
}
