//! What the server's log says of jobs: how they ended, and which of their tasks are run again.
//!
//! A failed job is a warning, all else is none: by that `--log-jobs` tells them apart. What isn't logged costs a look
//! at whether it is.

use std::time::{Duration, SystemTime};

use super::outcome::{Failure, FailureCode, Outcome};
use super::spec::JobInfo;
use super::state::JobState;

/// The part of the program that these lines name, whoever writes them.
pub const LOG_TARGET: &str = "forkpool::jobs";

/// Most characters of what was wrong.
const ERROR_CHARS_MAX: usize = 300;

macro_rules! tell {
    ($level:ident, $job:ident, $said:literal, $($fields:tt)*) => {
        tracing::$level!(
            target: LOG_TARGET,
            job = %$job.id,
            function = &*$job.function,
            pool = &*$job.pool,
            $($fields)*,
            request_id = $job.request_id.as_ref().map(tracing::field::display),
            caller = $job.owner.as_deref(),
            $said
        )
    };
}

/// A job has ended so.
pub(super) fn ended(job: &JobInfo, state: &JobState) {
    let queue_seconds =
        || state.started_at.or(state.finished_at).and_then(|end| seconds(job.created_at, end));
    let run_seconds = || seconds(state.started_at?, state.finished_at?);
    match &state.outcome {
        Some(Outcome::Value(_)) => tell!(
            info,
            job,
            "a job succeeded",
            attempts = state.attempts,
            queue_seconds = queue_seconds(),
            run_seconds = run_seconds()
        ),
        Some(Outcome::Failure(failure)) if failure.code == FailureCode::Cancelled => tell!(
            info,
            job,
            "a job was cancelled",
            attempts = state.attempts,
            error = error_of(failure),
            queue_seconds = queue_seconds(),
            run_seconds = run_seconds()
        ),
        Some(Outcome::Failure(failure)) => tell!(
            warn,
            job,
            "a job failed",
            code = failure.code.as_str(),
            attempts = state.attempts,
            index = failure.index,
            error = error_of(failure),
            queue_seconds = queue_seconds(),
            run_seconds = run_seconds()
        ),
        None => {}
    }
}

/// A task of a job failed so, and will be run again. `attempt`: how often it was run, this time included.
pub(super) fn retried(job: &JobInfo, attempt: u32, failure: &Failure) {
    tell!(
        info,
        job,
        "a task failed and will be run again",
        code = failure.code.as_str(),
        attempt,
        index = failure.index,
        error = error_of(failure)
    );
}

/// None if the clock was set back in between.
fn seconds(from: SystemTime, to: SystemTime) -> Option<f64> {
    to.duration_since(from).ok().map(log_seconds)
}

/// A time as lines of the log have it: in seconds, to the millisecond.
pub fn log_seconds(passed: Duration) -> f64 {
    (passed.as_secs_f64() * 1e3).round() / 1e3
}

/// What was wrong, in one line: the exception's type and message, or the detail.
fn error_of(failure: &Failure) -> String {
    let text = match &failure.exception {
        Some(exception) => format!("{}: {}", exception.kind, exception.message),
        None => failure.detail.clone(),
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut said = String::new();
    while said.len() < 4 * ERROR_CHARS_MAX
        && let Some(line) = lines.next()
    {
        let between = if said.is_empty() { "" } else { " | " };
        said.push_str(between);
        said.push_str(line);
    }
    if let Some((end, _)) = said.char_indices().nth(ERROR_CHARS_MAX) {
        said.truncate(end);
        said.push('…');
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Exception;

    fn raised(message: &str) -> String {
        let mut failure = Failure::new(FailureCode::FunctionRaised, "tasks.f raised");
        let (kind, message) = ("ValueError".to_owned(), message.to_owned());
        failure.exception = Some(Exception { kind, message, args: None, traceback: None });
        error_of(&failure)
    }

    #[test]
    fn an_error_is_one_line_of_bounded_length() {
        assert_eq!(raised("bad"), "ValueError: bad");
        assert_eq!(raised("2 errors:\n\n  a\n  b\n"), "ValueError: 2 errors: | a | b");
        for letter in ["x", "\u{20ac}", "x\n"] {
            let said = raised(&letter.repeat(100_000));
            assert_eq!(said.chars().count(), ERROR_CHARS_MAX + 1);
            assert!(said.ends_with('…'));
        }
        let failure = Failure::new(FailureCode::RunTimeout, "it ran for longer than 1 s");
        assert_eq!(error_of(&failure), "it ran for longer than 1 s");
    }

    #[test]
    fn times_are_to_the_millisecond() {
        let start = SystemTime::UNIX_EPOCH;
        assert_eq!(seconds(start, start + Duration::from_micros(1_234_567)), Some(1.235));
        assert_eq!(seconds(start + Duration::from_secs(1), start), None);
    }
}
