//! Problems of shared objects.

use super::Problem;
use crate::api::{Code, ExceptionInfo};
use crate::objects::{Address, ErrorCode, ObjectError};

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        let ObjectError { code, mut detail, exception, member, limit, missing } = error;
        if let Some(Address { kind, name, .. }) = missing.as_deref() {
            detail = format!("{detail}; PUT /v1/{kind}/{name} makes one, GET /v1/{kind} lists all");
        }
        if let Some(member) = member.as_deref().filter(|member| !detail.contains(member)) {
            detail = format!("{member}: {detail}");
        }
        let limit = limit.map(|(limit, most)| (limit.flag(), most));
        if let Some((flag, _)) = limit {
            detail = format!("{detail} ({flag})");
        }
        let mut problem = Self::new(Code::from(code), detail);
        let title = if code == ErrorCode::Closed {
            // What is closed is told by the exception: EOFError, BrokenPipeError, ValueError, OSError.
            exception.as_ref().map(|exception| exception.kind.as_str())
        } else if code == ErrorCode::ResultTooLarge {
            Some("The answer is too large")
        } else {
            (code == ErrorCode::Overloaded).then_some("The shared objects are at their limit")
        };
        if let Some(title) = title {
            problem = problem.titled(title);
        }
        problem.0.member = member;
        if let Some((flag, most)) = limit {
            problem.0.limit = Some(most as u64);
            problem.0.knob = Some(flag.to_owned());
        }
        if let Some(exception) = exception {
            problem.0.exception = Some(ExceptionInfo {
                kind: exception.kind,
                message: exception.message,
                args: Some(exception.args),
                traceback: None,
            });
        }
        problem
    }
}
