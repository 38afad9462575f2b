//! The loop of a native worker: read one task, run it, write its whole answer, read the next.

use std::io::{self, Write};

use nix::unistd::Pid;
use serde::Serialize;

use super::current::{self, Worker};
use super::functions::Functions;
use super::items;
use super::native::{Function, Raised, Spread};
use super::objects;
use super::sanitize::{self, WorkerEnds};
use super::yielding::Yielding;
use crate::counters::{self, Word, monotonic_nanoseconds, state};
use crate::json;
use crate::sys::PageWriter;
use crate::transport::{
    AnswerWriter, ForkInitializer, HEADER_BYTES, Header, Kind, ReadTask, TaskReader, YieldWriter,
};

const MESSAGE_BYTES_MAX: usize = 8 << 10;

#[derive(Serialize, Default)]
struct Problem<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<[&'a str; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<&'a str>,
}

/// Serves tasks until the pipe ends.
pub(super) fn run(
    ends: WorkerEnds,
    functions: &Functions,
    initializer: Option<&ForkInitializer>,
    result_bytes_max: usize,
) -> io::Result<()> {
    let own = Pid::this();
    let worker = Worker::set(ends.page, functions, result_bytes_max)
        .ok_or_else(|| io::Error::other("this is a worker already"))?;
    let page = &worker.page;
    counters::write(page, Word::Pid, u64::try_from(own.as_raw()).unwrap_or(0));
    counters::write(page, Word::State, state::IDLE);
    objects::take_call_socket(ends.calls);
    let mut tasks = TaskReader::new(ends.tasks);
    let answers = AnswerWriter::new(ends.results);
    let stream = tasks.stream(&answers);
    let mut answer = vec![0; HEADER_BYTES];
    let ready = initializer.is_none_or(|initializer| initialize(initializer, functions, &mut answer));
    if Pid::this() != own {
        sanitize::leave(0);
    }
    if !ready {
        return answers.write_answer(Kind::BootFailed, 0, 0, &mut answer);
    }
    answers.write_answer(Kind::Ready, 0, 0, &mut answer)?;
    while let Some(task) = tasks.read_task()? {
        let ReadTask { header, payload, .. } = task;
        answer.resize(HEADER_BYTES, 0);
        let (kind, took) = if header.kind == Kind::Ping {
            (Kind::Pong, 0)
        } else {
            worker.begin(&task, header.kind.is_yielding().then(|| stream.of(header.sequence)));
            let started = begin(page, header.sequence);
            let kind = if header.kind.is_per_item() {
                items::perform(header, payload, functions, page, result_bytes_max, &answers, &mut answer)?
            } else {
                perform(header, payload, functions, page, result_bytes_max, &mut answer)
            };
            worker.end();
            (kind, end(page, started, kind))
        };
        if Pid::this() != own {
            // A function forked and its child came back here: it is no worker.
            sanitize::leave(0);
        }
        answers.write_answer(kind, header.sequence, took, &mut answer)?;
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
    let (kind, message) = match ran {
        // It ran; nobody wants its value.
        Ok(()) | Err(Raised::NotJson { .. } | Raised::TooLarge { .. }) => return true,
        Err(Raised::Error { kind, message }) => (kind, message),
        Err(Raised::InvalidArguments { message, path }) => {
            ("InvalidArguments".to_owned(), format!("{path}: {message}"))
        }
        Err(Raised::UnknownRef { message, path }) => {
            ("UnknownReference".to_owned(), format!("{path}: {message}"))
        }
        Err(Raised::CommandFailed { message, stderr, .. }) => {
            ("CommandFailed".to_owned(), format!("the command {message}\n{stderr}").trim_end().to_owned())
        }
    };
    say(answer, None, &Raised::Error { kind, message });
    false
}

fn begin(page: &PageWriter, sequence: u64) -> u64 {
    let now = monotonic_nanoseconds();
    counters::write(page, Word::ItemsDone, 0);
    counters::write(page, Word::CurrentTask, sequence);
    counters::write(page, Word::TaskStarted, now);
    counters::add(page, Word::Started, 1);
    counters::write(page, Word::State, state::BUSY);
    now
}

fn end(page: &PageWriter, started: u64, kind: Kind) -> u64 {
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
    page: &PageWriter,
    result_bytes_max: usize,
    answer: &mut Vec<u8>,
) -> Kind {
    let Some(function) = functions.get(header.detail) else {
        return say(
            answer,
            None,
            &Raised::Error { kind: "LookupError".into(), message: "no such function".into() },
        );
    };
    let ran = dispatch(function, header.kind, payload, page, answer);
    // What is no iterator is the only thing that it yields.
    let ran = match (ran, current::take_yields()) {
        (Ok(()), Some(stream)) => stream_value(stream, answer).map_err(|raised| (None, raised)),
        (ran, _) => ran,
    };
    match ran {
        Ok(()) if answer.len() - HEADER_BYTES > result_bytes_max => {
            let bytes = u64::try_from(answer.len() - HEADER_BYTES).ok();
            say(answer, None, &Raised::TooLarge { bytes })
        }
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

/// The whole value of a task is told as what it yields.
fn stream_value(stream: YieldWriter, answer: &mut Vec<u8>) -> Result<(), Raised> {
    let mut yielding = Yielding::to(stream);
    let _ = yielding.push(|record| {
        record.extend_from_slice(&answer[HEADER_BYTES..]);
        Ok(())
    })?;
    answer.truncate(HEADER_BYTES);
    answer.extend_from_slice(Yielding::END);
    Ok(())
}

fn dispatch(
    function: &Function,
    kind: Kind,
    payload: &[u8],
    page: &PageWriter,
    answer: &mut Vec<u8>,
) -> Result<(), (Option<u64>, Raised)> {
    match kind {
        Kind::Map | Kind::Starmap | Kind::MapTyped => {
            let done = |items| counters::write(page, Word::ItemsDone, items);
            function
                .map(payload, Spread::of(kind), answer, done)
                .map_err(|(index, raised)| (Some(index), raised))
        }
        // The types of native arguments are their own: nothing is left to convert.
        Kind::CallTyped | Kind::CallTypedYielding => {
            function.item(payload, Spread::ByName, answer).map_err(|raised| (None, raised))
        }
        Kind::CallKeywords | Kind::CallYielding => {
            let mut parts = json::elements(payload);
            let arguments = parts.next().unwrap_or(b"[]");
            function.apply(arguments, parts.next(), answer).map_err(|raised| (None, raised))
        }
        Kind::Call
        | Kind::MapItems
        | Kind::StarmapItems
        | Kind::MapTypedItems
        | Kind::Ping
        | Kind::Taken
        | Kind::Stop
        | Kind::Ready
        | Kind::Value
        | Kind::Part
        | Kind::Raised
        | Kind::NotJson
        | Kind::InvalidArguments
        | Kind::UnknownRef
        | Kind::TooLarge
        | Kind::BootFailed
        | Kind::CommandFailed
        | Kind::Pong
        | Kind::Retire => function.apply(payload, None, answer).map_err(|raised| (None, raised)),
    }
}

pub(super) fn say(answer: &mut Vec<u8>, index: Option<u64>, raised: &Raised) -> Kind {
    answer.truncate(HEADER_BYTES);
    write_problem(answer, index, raised)
}

/// Appends what went wrong; the kind of answer that it is.
pub(super) fn write_problem(answer: &mut Vec<u8>, index: Option<u64>, raised: &Raised) -> Kind {
    let said = |message| Problem { message: Some(clipped(message)), index, ..Problem::default() };
    let (kind, problem) = match raised {
        Raised::Error { kind, message } => {
            (Kind::Raised, Problem { kind: Some(kind), args: Some([clipped(message)]), ..said(message) })
        }
        Raised::InvalidArguments { message, path } => {
            (Kind::InvalidArguments, Problem { path: Some(path), ..said(message) })
        }
        Raised::UnknownRef { message, path } => {
            (Kind::UnknownRef, Problem { path: Some(path), ..said(message) })
        }
        Raised::TooLarge { bytes } => {
            (Kind::TooLarge, Problem { bytes: *bytes, index, ..Problem::default() })
        }
        Raised::CommandFailed { message, exit_code, signal, stderr } => {
            let (exit_code, signal, stderr) = (*exit_code, *signal, Some(clipped(stderr)));
            (Kind::CommandFailed, Problem { exit_code, signal, stderr, ..said(message) })
        }
        Raised::NotJson { message, path } => {
            let path = Some(clipped(path));
            (Kind::NotJson, Problem { path, ..said(message) })
        }
    };
    // Writing JSON into memory can't fail for this type.
    let _ = serde_json::to_writer(answer, &problem);
    kind
}

fn clipped(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}
