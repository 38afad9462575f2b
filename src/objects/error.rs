//! Why a call has no answer: a code for programs, a sentence for people, and what the library would have raised.

use serde_json::value::RawValue;

use super::address::Address;

/// One of the documented codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The arguments are no JSON that is taken here.
    InvalidJson,
    /// An argument is unknown, missing or wrong.
    InvalidRequest,
    /// No such object, or no longer.
    UnknownObject,
    /// The kind has no such method.
    UnknownMethod,
    /// The name is taken by another one.
    AlreadyExists,
    /// Released more often than acquired.
    OverRelease,
    /// Another owner holds it.
    NotOwner,
    /// The hold that the token names is over.
    StaleToken,
    /// `BrokenBarrierError`.
    BrokenBarrier,
    /// `queue.Full`.
    Full,
    /// `queue.Empty`.
    Empty,
    /// `ValueError`, `EOFError`, `BrokenPipeError` or `OSError` of what is closed.
    Closed,
    /// What else the library raises.
    MethodRaised,
    /// A lock that the method takes was not had in time.
    ResultTimeout,
    /// A join that was not over in time.
    JoinTimeout,
    /// The content has no JSON form: not a number, or infinite.
    ResultNotJson,
    /// The answer would be too large.
    ResultTooLarge,
    /// No room: too many objects or bytes.
    Overloaded,
    /// The server goes down.
    Draining,
}

impl ErrorCode {
    /// As answers have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid-json",
            Self::InvalidRequest => "invalid-request",
            Self::UnknownObject => "unknown-object",
            Self::UnknownMethod => "unknown-method",
            Self::AlreadyExists => "already-exists",
            Self::OverRelease => "over-release",
            Self::NotOwner => "not-owner",
            Self::StaleToken => "stale-token",
            Self::BrokenBarrier => "broken-barrier",
            Self::Full => "full",
            Self::Empty => "empty",
            Self::Closed => "closed",
            Self::MethodRaised => "method-raised",
            Self::ResultTimeout => "result-timeout",
            Self::JoinTimeout => "join-timeout",
            Self::ResultNotJson => "result-not-json",
            Self::ResultTooLarge => "result-too-large",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
        }
    }
}

/// What the library raises.
#[derive(Debug, Clone)]
pub struct Exception {
    /// The class's name, without its module: `Empty`, `KeyError`, `BrokenBarrierError`.
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// Its arguments, a JSON array.
    pub args: Box<RawValue>,
}

/// A call, or the making of an object, that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{detail}")]
pub struct ObjectError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong and what to do.
    pub detail: String,
    /// What the library would have raised, where it would have.
    pub exception: Option<Box<Exception>>,
    /// The argument that is wrong.
    pub member: Option<String>,
    /// The limit that was reached, and its value.
    pub limit: Option<(Limit, usize)>,
    /// The object that there is not.
    pub missing: Option<Box<Address>>,
}

/// One of [`ObjectLimits`](super::ObjectLimits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// How many objects there may be.
    Objects,
    /// How many bytes they may hold.
    Bytes,
    /// How many bytes an answer may have.
    AnswerBytes,
}

impl Limit {
    /// The flag that sets it.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Objects => "--objects",
            Self::Bytes => "--object-bytes",
            Self::AnswerBytes => "--result-limit",
        }
    }
}

impl ObjectError {
    /// An error with nothing but a code and a sentence.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), exception: None, member: None, limit: None, missing: None }
    }

    /// No such object, or no longer.
    pub fn unknown(address: &Address) -> Self {
        let missing = Some(Box::new(address.clone()));
        Self { missing, ..Self::new(ErrorCode::UnknownObject, format!("there is no object {address}")) }
    }

    /// A limit that was reached.
    pub fn limited(code: ErrorCode, limit: Limit, most: usize, detail: String) -> Self {
        Self { limit: Some((limit, most)), ..Self::new(code, detail) }
    }

    /// A wrong argument.
    pub fn invalid(member: &str, detail: impl Into<String>) -> Self {
        let member = Some(member.chars().take(200).collect());
        Self { member, ..Self::new(ErrorCode::InvalidRequest, detail) }
    }

    /// What the library raises, with its message.
    pub fn raised(kind: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(ErrorCode::MethodRaised, format!("{kind}: {message}")).of_exception(kind, message)
    }

    /// The same error, with the library's exception.
    #[must_use]
    pub fn of_exception(mut self, kind: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let args = if message.is_empty() { Vec::new() } else { vec![message.as_str()] };
        let args = serde_json::value::to_raw_value(&args).unwrap_or_else(|_| empty_array());
        self.exception = Some(Box::new(Exception { kind: kind.to_owned(), message, args }));
        self
    }

    /// The same error with these arguments of the exception, a JSON array.
    #[must_use]
    pub fn with_args(mut self, args: String) -> Self {
        if let (Some(exception), Ok(args)) = (&mut self.exception, RawValue::from_string(args)) {
            exception.args = args;
        }
        self
    }

    /// `queue.Empty`.
    pub fn empty() -> Self {
        Self::new(ErrorCode::Empty, "nothing was there within the time given; nothing was taken")
            .of_exception("Empty", "")
    }

    /// `queue.Full`.
    pub fn full() -> Self {
        Self::new(ErrorCode::Full, "there was no free slot within the time given; nothing was put")
            .of_exception("Full", "")
    }

    /// `threading.BrokenBarrierError`.
    pub fn broken_barrier() -> Self {
        Self::new(ErrorCode::BrokenBarrier, "the barrier is broken, or was reset; reset makes it whole")
            .of_exception("BrokenBarrierError", "")
    }

    /// The wait ends because the server does.
    pub fn draining() -> Self {
        Self::new(ErrorCode::Draining, "the server is going down and waits no longer; nothing was done")
    }
}

fn empty_array() -> Box<RawValue> {
    RawValue::from_string("[]".to_owned()).unwrap_or_default()
}
