//! A Process: one call, its value dropped, and then the process's end. How it ended is its exit code.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::OFlag;
use nix::unistd::{Pid, dup3};

use super::functions::Functions;
use super::native::{Arguments, Raised};
use super::objects;
use super::run;
use super::sanitize::WorkerEnds;
use crate::counters::{self, Word, state};
use crate::json;
use crate::transport::{AnswerWriter, HEADER_BYTES, Kind, ReadTask, TaskReader};

/// As the library counts what was not caught.
const UNCAUGHT: i32 = 1;
/// As shells count a program that is there and can't be executed, and one that is not there.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Reads the one call, runs it; the status to leave with.
pub(super) fn run(ends: WorkerEnds, functions: &Functions) -> io::Result<i32> {
    let page = ends.page;
    counters::write(&page, Word::Pid, u64::try_from(Pid::this().as_raw()).unwrap_or(0));
    counters::write(&page, Word::State, state::BUSY);
    objects::take_call_socket(ends.calls);
    let mut tasks = TaskReader::new(ends.tasks);
    let answers = AnswerWriter::new(ends.results);
    let mut answer = vec![0; HEADER_BYTES];
    let Some(ReadTask { header, payload, .. }) = tasks.read_task()? else { return Ok(0) };
    let payload = payload.to_vec();
    let Some(function) = functions.get(header.detail) else { return Ok(UNCAUGHT) };
    let (list, keywords) = parts(header.kind, &payload);
    let positional: Vec<&[u8]> = json::elements(list).collect();
    let program = function.program.as_ref();
    let program = program.map(|program| program(Arguments { positional: &positional, keywords, before: 0 }));
    let program = match program.transpose() {
        Ok(program) => program,
        Err(raised) => {
            let kind = run::say(&mut answer, None, &raised);
            answers.write_answer(kind, 0, 0, &mut answer)?;
            return Ok(UNCAUGHT);
        }
    };
    answers.write_answer(Kind::Ready, 0, 0, &mut answer)?;
    // What the call does with these numbers is no protocol any more. They stay taken: a child that the call
    // forks may close them.
    let null = File::open("/dev/null")?;
    for mut pipe in [tasks.into_fd(), answers.into_fd()].into_iter().flatten() {
        dup3(&null, &mut pipe, OFlag::O_CLOEXEC)?;
        std::mem::forget(pipe);
    }
    drop(null);
    if let Some(program) = program {
        return Ok(become_program(program));
    }
    let ended = function.apply(list, keywords, &mut answer);
    let _ = io::stdout().flush();
    Ok(exit_code(&ended))
}

fn parts(kind: Kind, payload: &[u8]) -> (&[u8], Option<&[u8]>) {
    if kind != Kind::CallKeywords {
        return (payload, None);
    }
    let mut parts = json::elements(payload);
    (parts.next().unwrap_or(b"[]"), parts.next())
}

/// Returns only if that can't be.
fn become_program(mut program: Command) -> i32 {
    let error = program.exec();
    eprintln!("{}: {error}", program.get_program().display());
    if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_EXECUTABLE }
}

fn exit_code(ended: &Result<(), Raised>) -> i32 {
    match ended {
        // Nobody wants its value.
        Ok(()) | Err(Raised::NotJson { .. } | Raised::TooLarge { .. }) => return 0,
        // The panic's own words are there already.
        Err(Raised::Error { kind, .. }) if kind == "panic" => {}
        Err(Raised::Error { kind, message }) => eprintln!("{kind}: {message}"),
        Err(Raised::InvalidArguments { message, path } | Raised::UnknownRef { message, path }) => {
            eprintln!("{path}: {message}");
        }
        Err(Raised::CommandFailed { message, .. }) => eprintln!("the command {message}"),
    }
    UNCAUGHT
}
