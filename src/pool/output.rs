//! What tasks print, a line each in the server's log.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use crate::jobs::{JobId, Record};
use crate::process::Lines as Cut;

/// Whose output it is. It doesn't keep the job's value: that is the store's to keep, or to forget.
#[derive(Debug, Clone)]
pub(super) struct Source {
    job: JobId,
    function: Arc<str>,
    record: Weak<Record>,
}

impl Source {
    pub fn of(record: &Arc<Record>) -> Self {
        Self { job: record.id, function: Arc::clone(&record.new.function), record: Arc::downgrade(record) }
    }

    /// Adds to the job's log, if anybody can still read that.
    pub fn append_log(&self, output: &[u8], bytes_max: usize) {
        if let Some(record) = self.record.upgrade() {
            record.append_log(output, bytes_max);
        }
    }
}

/// The unfinished line of one worker.
#[derive(Debug, Default)]
pub(super) struct Lines(Cut);

impl Lines {
    /// Takes output and logs each line that is whole.
    pub fn push(&mut self, output: &[u8], source: Option<&Source>, pid: i32) {
        self.0.push(output, |line| log(line, source, pid));
    }

    /// Logs what is left of a worker that has ended.
    pub fn finish(&mut self, source: Option<&Source>, pid: i32) {
        self.0.finish(|line| log(line, source, pid));
    }
}

fn log(line: &str, source: Option<&Source>, pid: i32) {
    let line = &*printable(line);
    match source {
        Some(Source { job, function, .. }) => {
            tracing::info!(target: "forkpool::output", %job, %function, pid, "{line}");
        }
        None => tracing::info!(target: "forkpool::output", pid, "{line}"),
    }
}

/// A line that can't pass for another on a terminal: its control characters are escapes.
fn printable(line: &str) -> Cow<'_, str> {
    let line = line.trim_end_matches('\r');
    if !line.contains(|letter: char| letter.is_control() && letter != '\t') {
        return Cow::Borrowed(line);
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for letter in line.chars() {
        if letter.is_control() && letter != '\t' {
            escaped.extend(letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn f8_a9_control_characters_never_reach_a_terminal() {
        for (line, shown) in [
            ("plain \u{e9}\ttext", "plain \u{e9}\ttext"),
            ("x\rforged", "x\\rforged"),
            ("of another system\r", "of another system"),
            ("a\0b\x1b[31m\u{85}", "a\\u{0}b\\u{1b}[31m\\u{85}"),
            ("", ""),
        ] {
            assert_eq!(printable(line), shown, "{line:?}");
        }
    }
}
