//! What an ending means for the task and for its worker. The one place that decides it.

use nix::sys::signal::Signal;
use serde::Deserialize;

use super::run::Task;
use crate::jobs::{Exception, Failure, FailureCode};
use crate::process::Exit;
use crate::transport::{Kind, ProtocolError};

/// Why the server killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillCause {
    /// The job that it was running was cancelled.
    Cancelled,
    /// It did not read its tasks, nor answer a ping.
    Silent,
    /// It wrote what is no answer.
    Protocol(ProtocolError),
    /// Its answer was no JSON, or not what the task asked for.
    WrongAnswer,
    /// It did not become ready in time.
    Boot,
    /// The server goes down.
    Shutdown,
}

impl KillCause {
    /// Whether the worker's own misdeed is the reason, so that it counts as a death.
    pub fn is_misdeed(self) -> bool {
        match self {
            Self::Protocol(_) | Self::WrongAnswer => true,
            Self::Cancelled | Self::Silent | Self::Boot | Self::Shutdown => false,
        }
    }
}

/// What the payload of an answer without a value says.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    args: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    traceback: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    bytes: Option<u64>,
}

/// A task's failure from its worker's own answer; the worker lives on. `None`: a value, or what makes no sense.
pub(super) fn of_answer(kind: Kind, payload: &[u8], task: &Task, result_bytes_max: usize) -> Option<Failure> {
    if kind == Kind::Value {
        return None;
    }
    let said: Said = serde_json::from_slice(payload).ok()?;
    let mut failure = match kind {
        Kind::Raised => {
            let detail = format!("{} raised {}: {}", task.function.name, said.kind, said.message);
            let mut failure = Failure::new(FailureCode::FunctionRaised, detail);
            failure.exception = Some(Exception {
                kind: said.kind,
                message: said.message,
                args: said.args,
                traceback: said.traceback,
            });
            failure
        }
        Kind::NotJson => Failure::new(FailureCode::ResultNotJson, said.message),
        Kind::InvalidArguments => Failure::new(FailureCode::InvalidArguments, said.message),
        Kind::TooLarge => {
            let bytes = said.bytes.unwrap_or_default();
            let detail = format!(
                "the value is {bytes} bytes of JSON; at most {result_bytes_max} are allowed (--result-limit)"
            );
            let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
            failure.limit = Some(result_bytes_max);
            failure
        }
        Kind::Call | Kind::CallKeywords | Kind::Map | Kind::Ping | Kind::Ready | Kind::Value | Kind::Pong => {
            return None;
        }
    };
    failure.path = said.path;
    failure.index =
        (task.kind == Kind::Map).then(|| task.first_item + said.index.unwrap_or(0).min(task.items));
    Some(failure)
}

/// The failure of the task that a worker was running when it ended. `items_done` is what its page says of a chunk.
pub(super) fn of_death(exit: Exit, killed: Option<KillCause>, task: &Task, items_done: u64) -> Failure {
    let mut failure = match killed {
        Some(KillCause::Cancelled) => {
            Failure::new(FailureCode::Cancelled, "the job was cancelled while it ran")
        }
        Some(KillCause::Shutdown) => {
            Failure::new(FailureCode::Interrupted, "the server went down before the job had ended")
        }
        Some(KillCause::Protocol(error)) => Failure::new(
            FailureCode::WorkerProtocolError,
            format!("its worker wrote what is no answer: {error}"),
        ),
        Some(KillCause::WrongAnswer) => {
            Failure::new(FailureCode::WorkerProtocolError, "its worker's answer does not fit the task")
        }
        Some(KillCause::Silent | KillCause::Boot) | None => Failure::new(
            FailureCode::WorkerDied,
            format!("the worker that ran {} ended by {exit}", task.function.name),
        ),
    };
    if failure.code == FailureCode::WorkerDied {
        match exit {
            Exit::Code(code) => failure.exit_code = Some(code),
            Exit::Signal { signal, oom } => {
                failure.signal = Some(Signal::as_str(signal));
                failure.oom = oom;
            }
            Exit::Unknown => {}
        }
        failure.index = (task.kind == Kind::Map).then(|| task.first_item + items_done.min(task.items - 1));
    }
    failure
}
