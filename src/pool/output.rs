//! What tasks print, a line each in the server's log.

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

/// The unfinished line of one worker, and whose it is.
#[derive(Debug, Default)]
pub(super) struct Lines {
    cut: Cut,
    owner: Option<Source>,
}

impl Lines {
    /// Takes output and logs each line that is whole; what another job has begun is a line of its own.
    pub fn push(&mut self, output: &[u8], source: Option<&Source>, pid: i32) {
        if self.owner.as_ref().map(|owner| owner.job) != source.map(|source| source.job) {
            self.finish(pid);
            self.owner = source.cloned();
        }
        self.cut.push(output, |line| log(line, source, pid));
    }

    /// Logs what is left of a worker that has ended.
    pub fn finish(&mut self, pid: i32) {
        let owner = self.owner.take();
        self.cut.finish(|line| log(line, owner.as_ref(), pid));
    }
}

fn log(line: &str, source: Option<&Source>, pid: i32) {
    match source {
        Some(Source { job, function, .. }) => {
            tracing::info!(target: "forkpool::output", %job, %function, pid, "{line}");
        }
        None => tracing::info!(target: "forkpool::output", pid, "{line}"),
    }
}
