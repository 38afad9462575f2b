//! How a job ends: with a value, or with a failure that says why.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::held_bytes::HeldBytes;
use super::id::JobId;
use super::spec::text;

/// What the text of most failures has room in, an exception with its traceback too.
const JSON_BYTES: usize = 1_024;

/// How a job ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Outcome {
    /// With a value.
    Value(Value),
    /// Without one.
    Failure(Arc<Failure>),
}

impl Outcome {
    /// Bytes that it holds, about.
    pub fn kept_bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::Failure(failure) => failure.kept_bytes(),
        }
    }
}

/// A value as JSON text, in pieces that follow one another.
#[derive(Debug, Clone, Default)]
pub struct Value {
    /// The pieces.
    pub pieces: Vec<Bytes>,
    /// Its bytes, as long as they are held for a client alone.
    pub held: Option<Arc<HeldBytes>>,
}

impl From<Vec<Bytes>> for Value {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self { pieces, held: None }
    }
}

impl Value {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// Its text, in one piece.
    pub fn text(&self) -> Bytes {
        match self.pieces.as_slice() {
            [piece] => piece.clone(),
            pieces => pieces.concat().into(),
        }
    }

    /// Whether there is no text at all (never so for a real value).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// As the text that it is.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        text::serialize(&self.text(), to)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::from(vec![text::deserialize(from)?]))
    }
}

/// Why a job ended without a value; the API has a code of the same name for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCode {
    /// The function raised.
    FunctionRaised,
    /// Its worker died under it.
    WorkerDied,
    /// A task of it ran for longer than it may.
    RunTimeout,
    /// It waited for longer than it may.
    QueueTimeout,
    /// Somebody cancelled it.
    Cancelled,
    /// The server went down under it.
    Interrupted,
    /// The server went down before anything of it had started: nothing of it ran.
    NotStarted,
    /// Its pool was terminated.
    PoolTerminated,
    /// The value can't be written as JSON.
    ResultNotJson,
    /// The value is too large.
    ResultTooLarge,
    /// The worker broke the protocol.
    WorkerProtocolError,
    /// The arguments don't fit the function.
    InvalidArguments,
    /// The command ended with another exit status than 0, or by a signal.
    CommandFailed,
    /// The arguments refer to a shared object that doesn't exist, or to one of another kind than the function's.
    UnknownRef,
}

impl FailureCode {
    /// The code as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FunctionRaised => "function-raised",
            Self::WorkerDied => "worker-died",
            Self::RunTimeout => "run-timeout",
            Self::QueueTimeout => "queue-timeout",
            Self::Cancelled => "cancelled",
            // Told as `draining` to whoever waits for it; the job's own error says what became of it.
            Self::Interrupted | Self::NotStarted => "interrupted",
            Self::PoolTerminated => "pool-terminated",
            Self::ResultNotJson => "result-not-json",
            Self::ResultTooLarge => "result-too-large",
            Self::WorkerProtocolError => "worker-protocol-error",
            Self::InvalidArguments => "invalid-arguments",
            Self::CommandFailed => "command-failed",
            Self::UnknownRef => "unknown-ref",
        }
    }

    /// A title for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::FunctionRaised => "The function raised an exception",
            Self::WorkerDied => "The worker died",
            Self::RunTimeout => "The task ran for too long",
            Self::QueueTimeout => "The job waited for too long",
            Self::Cancelled => "The job was cancelled",
            Self::Interrupted | Self::NotStarted => "The server went down under the job",
            Self::PoolTerminated => "The job's pool was terminated",
            Self::ResultNotJson => "The value can't be written as JSON",
            Self::ResultTooLarge => "The value is too large",
            Self::WorkerProtocolError => "The worker broke the protocol",
            Self::InvalidArguments => "The arguments don't fit the function",
            Self::CommandFailed => "The command failed",
            Self::UnknownRef => "The arguments refer to an unknown object",
        }
    }
}

/// An ending without a value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub code: FailureCode,
    /// Why, in words.
    pub detail: String,
    /// What the function raised.
    pub exception: Option<Exception>,
    /// Which item of a map, from 0.
    pub index: Option<u64>,
    /// Where in the arguments or the value (`$.args[0]`).
    pub path: Option<String>,
    /// The signal that ended the worker or the command.
    pub signal: Option<Cow<'static, str>>,
    /// The exit status of the worker or the command.
    pub exit_code: Option<i32>,
    /// The end of what the command wrote to its standard error.
    pub stderr: Option<String>,
    /// Whether memory was the reason.
    pub oom: bool,
    /// The limit that was hit, in bytes.
    pub limit: Option<usize>,
}

impl Failure {
    /// Bytes that it holds, about.
    pub fn kept_bytes(&self) -> usize {
        let exception = self.exception.as_ref().map_or(0, |exception| {
            let args = exception.args.as_ref().map_or(0, |args| args.get().len());
            exception.kind.len()
                + exception.message.len()
                + args
                + exception.traceback.as_ref().map_or(0, String::len)
        });
        let texts = [&self.path, &self.stderr].into_iter().flatten().map(String::len).sum::<usize>();
        size_of::<Self>() + self.detail.len() + texts + exception
    }

    /// With texts of at most so many bytes each: the beginning, of a traceback the end.
    pub fn shortened(mut self, most: usize) -> Self {
        let shorten = |text: &mut String| text.truncate(text.floor_char_boundary(most));
        shorten(&mut self.detail);
        self.path.iter_mut().for_each(shorten);
        let shorten_front = |text: &mut String| {
            let beyond = text.len().saturating_sub(most);
            text.drain(..text.ceil_char_boundary(beyond));
        };
        self.stderr.iter_mut().for_each(shorten_front);
        if let Some(exception) = &mut self.exception {
            shorten(&mut exception.kind);
            shorten(&mut exception.message);
            exception.args.take_if(|args| args.get().len() > most);
            exception.traceback.iter_mut().for_each(shorten_front);
        }
        self
    }

    /// Its JSON: the problem as which an answer, a job's error and an item's record show it (422, whatever ended it).
    /// `job`: whose it is, where that is said.
    pub fn to_json(&self, job: Option<JobId>) -> Vec<u8> {
        let failure = FailureJson {
            kind: format_args!("urn:forkpool:{}", self.code.as_str()),
            title: self.code.title(),
            status: 422,
            detail: &self.detail,
            code: self.code.as_str(),
            instance: job.map(|job| format!("/v1/jobs/{job}")),
            limit: self.limit,
            exception: self.exception.as_ref(),
            index: self.index,
            path: self.path.as_deref(),
            signal: self.signal.as_deref(),
            exit_code: self.exit_code,
            stderr: self.stderr.as_deref(),
            oom: self.oom.then_some(true),
        };
        // A struct of texts and numbers always has a JSON text.
        let mut text = Vec::with_capacity(JSON_BYTES);
        let _ = serde_json::to_writer(&mut text, &failure);
        text
    }

    /// A failure with nothing but its reason.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            exception: None,
            index: None,
            path: None,
            signal: None,
            exit_code: None,
            stderr: None,
            oom: false,
            limit: None,
        }
    }
}

/// A [`Failure`] as JSON; what has no value is left out.
#[derive(Serialize)]
struct FailureJson<'a> {
    #[serde(rename = "type")]
    kind: std::fmt::Arguments<'a>,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a Exception>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<bool>,
}

/// What a function raised.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exception {
    /// The exception's class.
    #[serde(rename = "type")]
    pub kind: String,
    /// `str(exception)`.
    pub message: String,
    /// Its arguments as a JSON array, where JSON can say them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Box<RawValue>>,
    /// The function's own frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
}
