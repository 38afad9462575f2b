//! Problems of shared objects.

use axum::http::StatusCode;

use super::Problem;
use crate::api::ExceptionInfo;
use crate::objects::{ErrorCode, ObjectError};

impl ErrorCode {
    /// The status of an answer with this code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidJson | Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::UnknownObject | Self::UnknownMethod => StatusCode::NOT_FOUND,
            Self::AlreadyExists
            | Self::OverRelease
            | Self::NotOwner
            | Self::StaleToken
            | Self::BrokenBarrier
            | Self::Full
            | Self::Empty
            | Self::Closed
            | Self::MethodRaised => StatusCode::CONFLICT,
            Self::ResultTimeout | Self::JoinTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ResultNotJson | Self::ResultTooLarge => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Overloaded | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::InvalidJson => "The body is not JSON that is taken here",
            Self::InvalidRequest => "The request is invalid",
            Self::UnknownObject => "There is no such object",
            Self::UnknownMethod => "There is no such method",
            Self::AlreadyExists => "The name is taken",
            Self::OverRelease => "It is released too often",
            Self::NotOwner => "Somebody else's",
            Self::StaleToken => "The hold is over",
            Self::BrokenBarrier => "BrokenBarrierError",
            Self::Full => "Full",
            Self::Empty => "Empty",
            Self::Closed => "It is closed",
            Self::MethodRaised => "The method raised an exception",
            Self::ResultTimeout | Self::JoinTimeout => "TimeoutError",
            Self::ResultNotJson => "The value can't be said in JSON",
            Self::ResultTooLarge => "The answer is too large",
            Self::Overloaded => "There is no room",
            Self::Draining => "The server is going down",
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        let ObjectError { code, mut detail, exception, member, limit } = error;
        if let Some(member) = member.as_deref().filter(|member| !detail.contains(member)) {
            detail = format!("{member}: {detail}");
        }
        let mut problem = Self::new(code.status(), code.as_str(), code.title(), detail);
        problem.0.member = member;
        if let Some((limit, knob)) = limit {
            problem.0.limit = Some(limit as u64);
            problem.0.knob = Some(knob.to_owned());
        }
        if let Some(exception) = exception {
            // What is closed is told by the exception: EOFError, BrokenPipeError, ValueError, OSError.
            if code == ErrorCode::Closed {
                problem.0.title.clone_from(&exception.kind);
            }
            problem.0.exception = Some(ExceptionInfo {
                kind: exception.kind,
                message: exception.message,
                args: Some(exception.args),
                traceback: None,
            });
        }
        match code.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => problem.retry_after(1),
            _ => problem,
        }
    }
}
