//! The loop of a native worker: read one task, run it, write its whole answer, read the next.

use std::io::{self, Write};

use nix::unistd::Pid;
use serde::Serialize;

use super::native::{Function, Functions, Raised};
use super::sanitize::{self, WorkerEnds};
use crate::counters::{self, Word, monotonic_nanoseconds, state};
use crate::json;
use crate::sys::MappedPage;
use crate::transport::{ChildEnd, ForkInitializer, HEADER_BYTES, Header, Kind};

const MESSAGE_BYTES_MAX: usize = 8 << 10;

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

/// Serves tasks until the pipe ends.
pub(super) fn run(
    ends: WorkerEnds,
    functions: &Functions,
    initializer: Option<&ForkInitializer>,
) -> io::Result<()> {
    let own = Pid::this();
    let page = ends.page;
    counters::write(&page, Word::Pid, u64::try_from(own.as_raw()).unwrap_or(0));
    counters::write(&page, Word::State, state::IDLE);
    let mut pipes = ChildEnd::new(ends.tasks, ends.results);
    let mut answer = vec![0; HEADER_BYTES];
    let ready = initializer.is_none_or(|initializer| initialize(initializer, functions, &mut answer));
    if Pid::this() != own {
        sanitize::leave(0);
    }
    if !ready {
        return pipes.write_answer(Kind::BootFailed, 0, 0, &mut answer);
    }
    pipes.write_answer(Kind::Ready, 0, 0, &mut answer)?;
    while let Some((header, payload)) = pipes.read_task()? {
        answer.resize(HEADER_BYTES, 0);
        let (kind, took) = if header.kind == Kind::Ping {
            (Kind::Pong, 0)
        } else {
            let started = begin(&page, header.sequence);
            let kind = perform(header, payload, functions, &page, &mut answer);
            (kind, end(&page, started, kind))
        };
        if Pid::this() != own {
            // A function forked and its child came back here: it is no worker.
            sanitize::leave(0);
        }
        pipes.write_answer(kind, header.sequence, took, &mut answer)?;
        if answer.capacity() > 1 << 20 {
            answer = Vec::new();
        }
    }
    Ok(())
}

/// Runs the pool's initializer; when it fails, `answer` says why.
fn initialize(initializer: &ForkInitializer, functions: &Functions, answer: &mut Vec<u8>) -> bool {
    let ran = match functions.get(initializer.function) {
        Some(function) => function.apply(initializer.args.as_bytes(), None, answer),
        None => Err(Raised::Error { kind: "LookupError".into(), message: "no such function".into() }),
    };
    let _ = io::stdout().flush();
    answer.truncate(HEADER_BYTES);
    let raised = match ran {
        Ok(()) => return true,
        Err(Raised::InvalidArguments { message, path }) => {
            Raised::Error { kind: "InvalidArguments".into(), message: format!("{path}: {message}") }
        }
        Err(raised) => raised,
    };
    say(answer, None, &raised);
    false
}

fn begin(page: &MappedPage, sequence: u64) -> u64 {
    let now = monotonic_nanoseconds();
    counters::write(page, Word::ItemsDone, 0);
    counters::write(page, Word::CurrentTask, sequence);
    counters::write(page, Word::TaskStarted, now);
    counters::add(page, Word::Started, 1);
    counters::write(page, Word::State, state::BUSY);
    now
}

fn end(page: &MappedPage, started: u64, kind: Kind) -> u64 {
    let took = monotonic_nanoseconds().saturating_sub(started);
    let outcome = if kind == Kind::Value { Word::Succeeded } else { Word::Failed };
    counters::add(page, outcome, 1);
    counters::add(page, Word::BusyNanoseconds, took);
    counters::write(page, Word::CurrentTask, 0);
    counters::write(page, Word::TaskStarted, 0);
    counters::write(page, Word::State, state::IDLE);
    took
}

/// Runs one task; the answer's payload is appended to `answer`, its kind returned.
fn perform(
    header: Header,
    payload: &[u8],
    functions: &Functions,
    page: &MappedPage,
    answer: &mut Vec<u8>,
) -> Kind {
    let Some(function) = functions.get(header.detail) else {
        return say(
            answer,
            None,
            &Raised::Error { kind: "LookupError".into(), message: "no such function".into() },
        );
    };
    match dispatch(function, header.kind, payload, page, answer) {
        Ok(()) => {
            // What a function printed must be in the log pipe before its answer.
            let _ = io::stdout().flush();
            Kind::Value
        }
        Err((index, raised)) => {
            let _ = io::stdout().flush();
            say(answer, index, &raised)
        }
    }
}

fn dispatch(
    function: &Function,
    kind: Kind,
    payload: &[u8],
    page: &MappedPage,
    answer: &mut Vec<u8>,
) -> Result<(), (Option<u64>, Raised)> {
    match kind {
        Kind::Map => {
            let done = |items| counters::write(page, Word::ItemsDone, items);
            function.map(payload, answer, done).map_err(|(index, raised)| (Some(index), raised))
        }
        Kind::CallKeywords => {
            let mut parts = json::elements(payload);
            let arguments = parts.next().unwrap_or(b"[]");
            function.apply(arguments, parts.next(), answer).map_err(|raised| (None, raised))
        }
        Kind::Call
        | Kind::Ping
        | Kind::Ready
        | Kind::Value
        | Kind::Raised
        | Kind::NotJson
        | Kind::InvalidArguments
        | Kind::TooLarge
        | Kind::BootFailed
        | Kind::Pong => function.apply(payload, None, answer).map_err(|raised| (None, raised)),
    }
}

fn say(answer: &mut Vec<u8>, index: Option<u64>, raised: &Raised) -> Kind {
    answer.truncate(HEADER_BYTES);
    let (kind, problem) = match raised {
        Raised::Error { kind, message } => {
            let message = clipped(message);
            (Kind::Raised, Problem { kind: Some(kind), message, path: None, args: Some([message]), index })
        }
        Raised::InvalidArguments { message, path } => {
            let message = clipped(message);
            (Kind::InvalidArguments, Problem { kind: None, message, path: Some(path), args: None, index })
        }
    };
    // Writing JSON into memory can't fail for this type.
    let _ = serde_json::to_writer(answer, &problem);
    kind
}

fn clipped(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}
