//! The output of tasks: kept with their jobs, and line by line in the server's log.

use std::sync::{Arc, Weak};

use tracing::Level;

use crate::jobs::{AnswerBytes, JobHandle, JobId};
use crate::process::{Lines, Marks, log_output};

/// The job whose output it is. Its handle may be forgotten meanwhile.
#[derive(Debug, Clone)]
pub(super) struct OutputOwner {
    pub job: JobId,
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

/// The output of one worker, and whose it is.
#[derive(Debug, Default)]
pub(super) struct WorkerOutput {
    marks: Marks,
    /// For the server's log.
    lines: Lines,
    owner: Option<OutputOwner>,
}

impl WorkerOutput {
    /// Takes output: what is to be kept of it, and, before that, of what its former owner has printed. Each whole line
    /// is logged, if that is wanted; an unfinished one of another job first.
    pub fn push(
        &mut self,
        output: &[u8],
        owner: Option<&OutputOwner>,
        logged_as: Option<i32>,
        mut keep: impl FnMut(&OutputOwner, &[u8]),
    ) {
        if self.owner.as_ref().map(|owner| owner.job) != owner.map(|owner| owner.job) {
            self.finish(logged_as, &mut keep);
            self.owner = owner.cloned();
        }
        let kept = self.marks.strip(output);
        if let Some(owner) = owner.filter(|_| !kept.is_empty()) {
            keep(owner, &kept);
        }
        if let Some(pid) = logged_as {
            self.lines.push(output, |level, line| log(level, line, owner, pid));
        }
    }

    /// Whether something was printed that is kept only now that nothing came after it.
    pub fn has_held(&self) -> bool {
        self.marks.has_held()
    }

    /// Nothing more comes of what was printed so far. What is left of it is kept, and logged.
    pub fn finish(&mut self, logged_as: Option<i32>, mut keep: impl FnMut(&OutputOwner, &[u8])) {
        let owner = self.owner.take();
        let held = self.marks.finish();
        if let Some(owner) = owner.as_ref().filter(|_| !held.as_ref().is_empty()) {
            keep(owner, held.as_ref());
        }
        if let Some(pid) = logged_as {
            self.lines.finish(|level, line| log(level, line, owner.as_ref(), pid));
        }
    }
}

fn log(level: Level, line: &str, owner: Option<&OutputOwner>, pid: i32) {
    match owner {
        Some(OutputOwner { job, function, .. }) => {
            log_output!(level, %job, function = &**function, pid, "{line}");
        }
        None => log_output!(level, pid, "{line}"),
    }
}
