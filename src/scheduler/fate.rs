//! What a worker's answer means for its task, and what its death leaves of one. The one place that decides it.

use std::ops::Range;

use bytes::Bytes;
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::task::Task;
use crate::jobs::{Exception, Failure, FailureCode};
use crate::json;
use crate::transport::{
    self, CheckedFrame, Kind, Records, VALUE_DEPTH_MAX, YIELD_WINDOW_BYTES, is_grammatical,
};

/// Largest record of an item that failed: an exception with its traceback.
const ERROR_BYTES_MAX: usize = 256 << 10;

/// The record of an item that failed.
#[derive(Debug, Deserialize)]
struct FailedRecord<'a> {
    #[serde(borrow)]
    error: ItemError<'a>,
}

#[derive(Debug, Deserialize)]
struct ItemError<'a> {
    /// The frame kind that a single call would have been answered with.
    kind: u8,
    /// The payload of that frame.
    #[serde(borrow, rename = "told")]
    payload: &'a RawValue,
}

/// The records that a part of an answer brings; `None`: it is malformed, or does not fit this task.
pub(crate) fn of_part(frame: &mut CheckedFrame, task: &Task) -> Option<Records> {
    let records = frame.records()?;
    if task.is_yielding() {
        // A worker waits while it is so far ahead.
        return (records.left() == 1 && task.ahead <= YIELD_WINDOW_BYTES).then_some(records);
    }
    let count = u64::try_from(records.left()).ok()?;
    (count <= task.items.saturating_sub(task.delivered)).then_some(records)
}

/// What an item's record means: a value, which is passed on unchanged (`None`), or a failure.
///
/// `valid`, `fault`: what is known of the value.
pub(super) fn of_record(
    record: &[u8],
    (valid, fault): (bool, Option<json::ScanError>),
    task: &Task,
    index: u64,
    result_bytes_max: usize,
) -> Option<Failure> {
    let malformed = || {
        let detail = format!(
            "the worker that ran {} answered item {index} with neither a value nor an error: something in its \
             process, the function or a library, writes to descriptor 4, which is the worker's own",
            task.function.name()
        );
        Failure::new(FailureCode::WorkerProtocolError, detail)
    };
    let mut failure = if let Some(value) = transport::value_of(record) {
        if value.len() > result_bytes_max {
            too_large(Some(value.len() as u64), result_bytes_max)
        } else if valid {
            return None;
        } else {
            match fault.map_or_else(|| json::check(value, VALUE_DEPTH_MAX).map(|_| ()), Err) {
                Ok(()) => return None,
                Err(error) if is_grammatical(error) => invalid_value(error),
                Err(_) => malformed(),
            }
        }
    } else if record.len() > ERROR_BYTES_MAX {
        malformed()
    } else {
        let reported = serde_json::from_slice::<FailedRecord<'_>>(record).ok().and_then(|record| {
            let kind = Kind::parse(record.error.kind)?;
            of_error(kind, record.error.payload.get().as_bytes(), task, result_bytes_max)
        });
        reported.unwrap_or_else(malformed)
    };
    failure.index = Some(index);
    Some(failure)
}

fn invalid_value(error: json::ScanError) -> Failure {
    Failure::new(FailureCode::ResultNotJson, format!("the value is not JSON: {error}"))
}

/// The payload of an answer without a value.
#[derive(Debug, Deserialize)]
struct ErrorPayload {
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

/// What a worker's answer means for its task. `None`: it is malformed or does not fit the task, and the worker is
/// to be killed.
pub(crate) fn of_answer(
    frame: CheckedFrame,
    task: &Task,
    result_bytes_max: usize,
) -> Option<Result<Bytes, Failure>> {
    if frame.header.kind == Kind::Value {
        return of_value(frame, task, result_bytes_max);
    }
    of_error(frame.header.kind, &frame.payload, task, result_bytes_max).map(Err)
}

/// A value is checked, not deserialised: a worker's output is not trusted, as a client's input isn't.
fn of_value(frame: CheckedFrame, task: &Task, result_bytes_max: usize) -> Option<Result<Bytes, Failure>> {
    if frame.payload.len() > result_bytes_max {
        return Some(Err(too_large(Some(frame.payload.len() as u64), result_bytes_max)));
    }
    match frame.value() {
        Ok(shape) => {
            let whole = shape.start == 0 && shape.end == frame.payload.len();
            let count = u64::try_from(shape.elements).unwrap_or(u64::MAX);
            let fits = !task.is_map() || (shape.kind == json::Kind::Array && count == task.items);
            (whole && fits).then_some(Ok(frame.payload))
        }
        Err(error) if is_grammatical(error) => Some(Err(invalid_value(error))),
        Err(_) => None,
    }
}

/// `bytes`: its size, where the worker counted it.
fn too_large(bytes: Option<u64>, result_bytes_max: usize) -> Failure {
    let size = bytes.map_or("too many".to_owned(), |bytes| bytes.to_string());
    let detail =
        format!("the value is {size} bytes of JSON; at most {result_bytes_max} are allowed (--result-limit)");
    let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
    failure.limit = Some(result_bytes_max);
    failure
}

fn of_error(kind: Kind, payload: &[u8], task: &Task, result_bytes_max: usize) -> Option<Failure> {
    let error: ErrorPayload = serde_json::from_slice(payload).ok()?;
    let mut failure = match kind {
        Kind::Raised => {
            let detail = format!("{} raised {}: {}", task.function.name(), error.kind, error.message);
            let mut failure = Failure::new(FailureCode::FunctionRaised, detail);
            failure.exception = Some(Exception {
                kind: error.kind,
                message: error.message,
                args: error.args.filter(|args| is_plain_array(args)),
                traceback: error.traceback,
            });
            failure
        }
        Kind::NotJson => Failure::new(FailureCode::ResultNotJson, error.message),
        Kind::InvalidArguments => Failure::new(FailureCode::InvalidArguments, error.message),
        Kind::UnknownRef => Failure::new(FailureCode::UnknownRef, error.message),
        Kind::TooLarge => too_large(error.bytes, result_bytes_max),
        Kind::CommandFailed => command_failed(&error, task),
        Kind::Call
        | Kind::CallKeywords
        | Kind::CallTyped
        | Kind::Map
        | Kind::Starmap
        | Kind::MapItems
        | Kind::StarmapItems
        | Kind::MapTyped
        | Kind::MapTypedItems
        | Kind::CallYielding
        | Kind::CallTypedYielding
        | Kind::Taken
        | Kind::Stop
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
    failure.path = error.path;
    // Without an index the whole chunk failed, and no single item.
    let index = error.index.filter(|_| task.is_map());
    failure.index = index.map(|index| task.first_item + index.min(task.items - 1));
    Some(failure)
}

fn command_failed(error: &ErrorPayload, task: &Task) -> Failure {
    let detail = format!("the command {} {}", task.function.name(), error.message);
    let mut failure = Failure::new(FailureCode::CommandFailed, detail);
    failure.exit_code = error.exit_code;
    let signal = error.signal.as_deref().and_then(|name| name.parse::<Signal>().ok());
    failure.signal = signal.map(|signal| Signal::as_str(signal).into());
    failure.stderr.clone_from(&error.stderr);
    failure
}

/// What a worker reported of its failed boot: the exception, and what it was loading, if anything.
pub(crate) fn of_boot(payload: &[u8]) -> (Option<Exception>, Option<String>) {
    let Ok(mut error) = serde_json::from_slice::<ErrorPayload>(payload) else { return (None, None) };
    let loading = error.loading.take();
    let exception = Exception {
        kind: error.kind,
        message: error.message,
        args: error.args.filter(|args| is_plain_array(args)),
        traceback: error.traceback,
    };
    (Some(exception), loading)
}

/// Whether an exception's arguments are an array that any JSON reader accepts; if not they are left out.
fn is_plain_array(args: &RawValue) -> bool {
    const DEPTH_MAX: usize = 64;
    json::check(args.get().as_bytes(), DEPTH_MAX).is_ok_and(|shape| shape.kind == json::Kind::Array)
}

/// The items of a task, counted from its first, that were lost with its worker: the one that ran, and those before
/// it without a record. Those behind it never started.
pub(super) fn lost_items(task: &Task, items_done: u64) -> Range<u64> {
    let delivered = task.delivered.min(task.items);
    delivered..items_done.max(delivered).saturating_add(1).min(task.items)
}

/// The failure of a job whose server goes down.
pub(crate) fn of_shutdown(has_started: bool) -> Failure {
    let (code, when) =
        if has_started { (FailureCode::Interrupted, "ended") } else { (FailureCode::NotStarted, "started") };
    Failure::new(code, format!("the server went down before the job had {when}"))
}

/// Whether a failure ends the whole job, and not single items.
pub(super) fn is_of_whole_job(code: FailureCode) -> bool {
    matches!(code, FailureCode::Cancelled | FailureCode::Interrupted | FailureCode::NotStarted)
}
