//! The output of tasks, line by line in the server's log.

use std::sync::{Arc, Weak};

use crate::jobs::{AnswerBytes, JobHandle, JobId};
use crate::process::Lines as LineSplitter;

/// The job whose output it is. Its handle may be forgotten meanwhile.
#[derive(Debug, Clone)]
pub(super) struct OutputOwner {
    job: JobId,
    function: Arc<str>,
    handle: Weak<JobHandle>,
}

impl OutputOwner {
    pub fn of(handle: &Arc<JobHandle>) -> Self {
        Self { job: handle.id, function: Arc::clone(&handle.function), handle: Arc::downgrade(handle) }
    }

    /// Adds to the job's log, unless that was forgotten. The job and how many bytes more it holds, if it has ended.
    pub fn append_log(
        &self,
        output: &[u8],
        bytes_max: usize,
        answers: &AnswerBytes,
    ) -> Option<(JobId, usize)> {
        let handle = self.handle.upgrade()?;
        let more = handle.append_log(output, bytes_max, answers);
        (more > 0).then_some((self.job, more))
    }
}

/// The unfinished line of one worker, and its owner.
#[derive(Debug, Default)]
pub(super) struct OutputLines {
    splitter: LineSplitter,
    owner: Option<OutputOwner>,
}

impl OutputLines {
    /// Takes output and logs each whole line; an unfinished line of another job is logged first.
    pub fn push(&mut self, output: &[u8], owner: Option<&OutputOwner>, pid: i32) {
        if self.owner.as_ref().map(|owner| owner.job) != owner.map(|owner| owner.job) {
            self.finish(pid);
            self.owner = owner.cloned();
        }
        self.splitter.push(output, |line| log(line, owner, pid));
    }

    /// Logs what is left of a worker that has ended.
    pub fn finish(&mut self, pid: i32) {
        let owner = self.owner.take();
        self.splitter.finish(|line| log(line, owner.as_ref(), pid));
    }
}

fn log(line: &str, owner: Option<&OutputOwner>, pid: i32) {
    match owner {
        Some(OutputOwner { job, function, .. }) => {
            tracing::info!(target: "forkpool::output", %job, %function, pid, "{line}");
        }
        None => tracing::info!(target: "forkpool::output", pid, "{line}"),
    }
}
