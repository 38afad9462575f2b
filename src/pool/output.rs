//! What tasks print, a line each in the server's log.

use crate::jobs::Record;
use crate::process::Lines as Cut;

/// The unfinished line of one worker.
#[derive(Debug, Default)]
pub(super) struct Lines(Cut);

impl Lines {
    /// Takes output and logs each line that is whole.
    pub fn push(&mut self, output: &[u8], record: Option<&Record>, pid: i32) {
        self.0.push(output, |line| log(line, record, pid));
    }

    /// Logs what is left of a worker that has ended.
    pub fn finish(&mut self, record: Option<&Record>, pid: i32) {
        self.0.finish(|line| log(line, record, pid));
    }
}

fn log(line: &str, record: Option<&Record>, pid: i32) {
    match record {
        Some(record) => {
            let (job, function) = (&record.id, &record.new.function);
            tracing::info!(target: "forkpool::output", %job, %function, pid, "{line}");
        }
        None => tracing::info!(target: "forkpool::output", pid, "{line}"),
    }
}
