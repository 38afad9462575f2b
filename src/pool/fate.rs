//! What an ending means for the task and for its worker. The one place that decides it.

use std::ops::Range;

use bytes::Bytes;
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::options::{BootFailure, BootReason};
use super::task::Task;
use crate::jobs::{Exception, Failure, FailureCode};
use crate::json;
use crate::process::Exit;
use crate::transport::{Kind, ProtocolError};

/// Deepest value: clients' readers have limits too.
const VALUE_DEPTH_MAX: usize = 1_000;

/// Why the server killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillCause {
    /// The job that it was running was cancelled.
    Cancelled,
    /// Its task ran for longer than it may.
    RunTimeout,
    /// It did not read its tasks, nor answer a ping.
    Silent,
    /// It wrote what is no answer.
    Protocol(ProtocolError),
    /// Its answer was no JSON, or not what the task asked for.
    WrongAnswer,
    /// It answered a task twice: it finished what it ran, and gets nothing more.
    AnsweredTwice,
    /// It waited for a task although it had been handed one: somebody in it has taken that.
    LostTask,
    /// It did not become ready in time.
    Boot,
    /// It ran as many tasks as it may, or grew too large between two tasks.
    Recycled,
    /// The pool has become smaller, or was closed and has no work left.
    Surplus,
    /// It held more memory than it may while it ran a task.
    Memory(u64),
    /// The server goes down.
    Shutdown,
}

impl KillCause {
    /// Whether the worker's own misdeed is the reason, so that it counts as a death.
    pub fn is_misdeed(self) -> bool {
        match self {
            Self::Protocol(_) | Self::WrongAnswer | Self::AnsweredTwice | Self::LostTask => true,
            Self::Cancelled
            | Self::RunTimeout
            | Self::Silent
            | Self::Boot
            | Self::Recycled
            | Self::Surplus
            | Self::Memory(_)
            | Self::Shutdown => false,
        }
    }
}

/// A record of an item that has no value.
#[derive(Debug, Deserialize)]
struct FailedRecord<'a> {
    #[serde(borrow)]
    error: Told<'a>,
}

#[derive(Debug, Deserialize)]
struct Told<'a> {
    kind: u8,
    #[serde(borrow)]
    told: &'a RawValue,
}

/// The array of a part and the record around each value.
const PART_DEPTH: usize = 2;

/// Records of the next items of a task.
pub(super) struct Part {
    /// How many they are.
    pub count: u64,
    /// Whether each value among them is known to be one that is taken.
    pub sound: bool,
}

/// What a part of an answer means as a whole; `None`: it makes no sense, or not for this task.
///
/// One value that isn't taken is its own item's matter: it must only be clear where its record ends.
pub(super) fn of_part(payload: &[u8], task: &Task) -> Option<Part> {
    let (shape, sound) = match json::check(payload, VALUE_DEPTH_MAX + PART_DEPTH) {
        Ok(shape) => (shape, true),
        Err(error) if is_grammatical(error) => (json::check_grammar(payload).ok()?, false),
        Err(_) => return None,
    };
    let count = u64::try_from(shape.elements).ok()?;
    let fits = shape.kind == json::Kind::Array && count <= task.items.saturating_sub(task.told);
    fits.then_some(Part { count, sound })
}

/// What an item's record means: a value, which is passed on as it is (`None`), or a failure.
pub(super) fn of_record(
    record: &[u8],
    sound: bool,
    task: &Task,
    index: u64,
    result_bytes_max: usize,
) -> Option<Failure> {
    let nonsense = || Failure::new(FailureCode::WorkerProtocolError, "its worker's record makes no sense");
    let value = record.strip_prefix(b"{\"value\":").and_then(|rest| rest.strip_suffix(b"}"));
    let mut failure = if let Some(value) = value {
        if value.len() > result_bytes_max {
            too_large(Some(value.len() as u64), result_bytes_max)
        } else if sound {
            return None;
        } else {
            match json::check(value, VALUE_DEPTH_MAX) {
                Ok(_) => return None,
                Err(error) if is_grammatical(error) => not_taken(error),
                Err(_) => nonsense(),
            }
        }
    } else {
        let said = serde_json::from_slice::<FailedRecord<'_>>(record).ok().and_then(|record| {
            let kind = Kind::parse(record.error.kind)?;
            of_said(kind, record.error.told.get().as_bytes(), task, result_bytes_max)
        });
        said.unwrap_or_else(nonsense)
    };
    failure.index = Some(index);
    Some(failure)
}

/// Whether a text has JSON's grammar and is refused for what it says: Python's integers may be as large as they
/// like.
fn is_grammatical(error: json::ScanError) -> bool {
    matches!(error.reason, json::Reason::NumberOutOfRange | json::Reason::TooDeep { .. })
}

fn not_taken(error: json::ScanError) -> Failure {
    Failure::new(FailureCode::ResultNotJson, format!("the value is not JSON: {error}"))
}

/// What the payload of an answer without a value says.
#[derive(Debug, Deserialize)]
struct Said {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    args: Option<Box<RawValue>>,
    #[serde(default)]
    traceback: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    loading: Option<String>,
    #[serde(default)]
    index: Option<u64>,
    #[serde(default)]
    bytes: Option<u64>,
    #[serde(default)]
    exit_code: Option<i32>,
    #[serde(default)]
    signal: Option<String>,
    #[serde(default)]
    stderr: Option<String>,
}

/// What a worker's own answer means for its task; the worker lives on. `None`: the answer makes no sense, and
/// it doesn't.
pub(super) fn of_answer(
    kind: Kind,
    payload: Bytes,
    task: &Task,
    result_bytes_max: usize,
) -> Option<Result<Bytes, Failure>> {
    if kind == Kind::Value {
        return of_value(payload, task, result_bytes_max);
    }
    of_said(kind, &payload, task, result_bytes_max).map(Err)
}

/// A value is checked, not built: what a worker wrote is as little to be trusted as what a client sends.
fn of_value(value: Bytes, task: &Task, result_bytes_max: usize) -> Option<Result<Bytes, Failure>> {
    if value.len() > result_bytes_max {
        return Some(Err(too_large(Some(value.len() as u64), result_bytes_max)));
    }
    match json::check(&value, VALUE_DEPTH_MAX) {
        Ok(shape) => {
            let whole = shape.start == 0 && shape.end == value.len();
            let count = u64::try_from(shape.elements).unwrap_or(u64::MAX);
            let fits = !task.is_map() || (shape.kind == json::Kind::Array && count == task.items);
            (whole && fits).then_some(Ok(value))
        }
        Err(error) if is_grammatical(error) => Some(Err(not_taken(error))),
        Err(_) => None,
    }
}

/// `bytes`: how large it is, where that was counted to its end.
fn too_large(bytes: Option<u64>, result_bytes_max: usize) -> Failure {
    let size = bytes.map_or("too many".to_owned(), |bytes| bytes.to_string());
    let detail =
        format!("the value is {size} bytes of JSON; at most {result_bytes_max} are allowed (--result-limit)");
    let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
    failure.limit = Some(result_bytes_max);
    failure
}

fn of_said(kind: Kind, payload: &[u8], task: &Task, result_bytes_max: usize) -> Option<Failure> {
    let said: Said = serde_json::from_slice(payload).ok()?;
    let mut failure = match kind {
        Kind::Raised => {
            let detail = format!("{} raised {}: {}", task.function.name, said.kind, said.message);
            let mut failure = Failure::new(FailureCode::FunctionRaised, detail);
            failure.exception = Some(Exception {
                kind: said.kind,
                message: said.message,
                args: said.args.filter(|args| is_tame(args)),
                traceback: said.traceback,
            });
            failure
        }
        Kind::NotJson => Failure::new(FailureCode::ResultNotJson, said.message),
        Kind::InvalidArguments => Failure::new(FailureCode::InvalidArguments, said.message),
        Kind::UnknownRef => Failure::new(FailureCode::UnknownRef, said.message),
        Kind::TooLarge => too_large(said.bytes, result_bytes_max),
        Kind::CommandFailed => command_failed(&said, task),
        Kind::Call
        | Kind::CallKeywords
        | Kind::CallTyped
        | Kind::Map
        | Kind::Starmap
        | Kind::MapEach
        | Kind::StarmapEach
        | Kind::Ping
        | Kind::Ready
        | Kind::Value
        | Kind::BootFailed
        | Kind::Part
        | Kind::Pong
        | Kind::Retire => {
            return None;
        }
    };
    failure.path = said.path.map(|path| match (kind, task.kind) {
        (Kind::InvalidArguments, Kind::CallTyped) => task.function.types.path_by_name(&path),
        _ => path,
    });
    // Without an index it is the whole chunk's: no item is to blame.
    let index = said.index.filter(|_| task.is_map());
    failure.index = index.map(|index| task.first_item + index.min(task.items - 1));
    Some(failure)
}

fn command_failed(said: &Said, task: &Task) -> Failure {
    let detail = format!("the command {} {}", task.function.name, said.message);
    let mut failure = Failure::new(FailureCode::CommandFailed, detail);
    failure.exit_code = said.exit_code;
    let signal = said.signal.as_deref().and_then(|name| name.parse::<Signal>().ok());
    failure.signal = signal.map(Signal::as_str);
    failure.stderr.clone_from(&said.stderr);
    failure
}

/// Why a pool's workers can't become ready, from what one of them said of its initializer, or of loading the
/// code.
pub(super) fn of_boot(initializer: &str, payload: &[u8]) -> BootFailure {
    let mut said: Option<Said> = serde_json::from_slice(payload).ok();
    let loading = said.as_mut().and_then(|said| said.loading.take());
    let exception = said.map(|said| Exception {
        kind: said.kind,
        message: said.message,
        args: said.args.filter(|args| is_tame(args)),
        traceback: said.traceback,
    });
    let detail = match (&exception, &loading) {
        (Some(exception), Some(what)) => {
            format!("{what} could not be loaded in a worker: {}: {}", exception.kind, exception.message)
        }
        (Some(exception), None) => {
            format!("the initializer {initializer} raised {}: {}", exception.kind, exception.message)
        }
        (None, _) => format!("the initializer {initializer} failed"),
    };
    let reason = if loading.is_some() { BootReason::Loading } else { BootReason::Initializer };
    BootFailure { reason, detail, exception }
}

/// Whether an exception's arguments are an array that any JSON reader takes; if not they are left out.
fn is_tame(args: &RawValue) -> bool {
    const DEPTH_MAX: usize = 64;
    json::check(args.get().as_bytes(), DEPTH_MAX).is_ok_and(|shape| shape.kind == json::Kind::Array)
}

/// The failure of the task that a worker was running when it ended. `items_done` is what its page says of a
/// chunk.
pub(super) fn of_death(exit: Exit, killed: Option<KillCause>, task: &Task, items_done: u64) -> Failure {
    // A worker that ended before our kill reached it ended by itself.
    let by_kill = matches!(exit, Exit::Signal { signal: Signal::SIGKILL, .. });
    let mut failure = match killed.filter(|_| by_kill) {
        Some(KillCause::Cancelled) => {
            Failure::new(FailureCode::Cancelled, "the job was cancelled while it ran")
        }
        Some(KillCause::RunTimeout) => {
            let most = task.record.new.terms.run_timeout.unwrap_or_default().as_secs_f64();
            let detail = format!("{} ran for longer than {most} s (run_timeout)", task.function.name);
            let mut failure = Failure::new(FailureCode::RunTimeout, detail);
            failure.index = task.is_map().then(|| task.first_item + items_done.min(task.items - 1));
            failure
        }
        Some(KillCause::Shutdown) => of_shutdown(true),
        Some(KillCause::Protocol(error)) => Failure::new(
            FailureCode::WorkerProtocolError,
            format!("its worker wrote what is no answer: {error}"),
        ),
        Some(KillCause::LostTask) => Failure::new(
            FailureCode::WorkerProtocolError,
            "its worker took the task and does not run it: something in that process reads the worker's descriptors",
        ),
        Some(KillCause::WrongAnswer | KillCause::AnsweredTwice) => {
            Failure::new(FailureCode::WorkerProtocolError, "its worker's answer does not fit the task")
        }
        Some(KillCause::Memory(bytes)) => Failure::new(
            FailureCode::WorkerDied,
            format!(
                "the worker that ran {} was killed: it held {bytes} bytes, more than its pool's max_rss",
                task.function.name
            ),
        ),
        Some(KillCause::Silent | KillCause::Boot | KillCause::Recycled | KillCause::Surplus) | None => {
            Failure::new(
                FailureCode::WorkerDied,
                format!("the worker that ran {} ended by {exit}", task.function.name),
            )
        }
    };
    if failure.code == FailureCode::WorkerDied {
        match exit {
            Exit::Code(code) => failure.exit_code = Some(code),
            Exit::Signal { signal, oom } => {
                failure.signal = Some(Signal::as_str(signal));
                failure.oom = oom || (by_kill && matches!(killed, Some(KillCause::Memory(_))));
            }
            Exit::RealTime(_) | Exit::Unknown => {}
        }
        failure.index = task.is_map().then(|| task.first_item + items_done.min(task.items - 1));
    }
    failure
}

/// The items of a task, counted from its first, that a death took with it: the one that ran, and those before it
/// that had not been told. What lies behind them never started.
pub(super) fn lost_items(task: &Task, items_done: u64) -> Range<u64> {
    let told = task.told.min(task.items);
    told..items_done.max(told).saturating_add(1).min(task.items)
}

/// The failure of a job whose server goes down.
pub(super) fn of_shutdown(has_started: bool) -> Failure {
    let (code, when) =
        if has_started { (FailureCode::Interrupted, "ended") } else { (FailureCode::NotStarted, "started") };
    Failure::new(code, format!("the server went down before the job had {when}"))
}

/// Whether an ending is the whole job's, and not each item's.
pub(super) fn is_of_whole_job(code: FailureCode) -> bool {
    matches!(code, FailureCode::Cancelled | FailureCode::Interrupted | FailureCode::NotStarted)
}
