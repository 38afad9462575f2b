//! What happens to a job, as values: the scheduler writes into no record.

use std::sync::Arc;

use crate::jobs::{Outcome, Record};

/// One thing that happened to a job.
#[derive(Debug)]
pub(crate) enum JobEvent {
    /// Its first task is at the head of a worker's flight.
    Started,
    /// Nothing of it has been run after all: its only task came back unread.
    Unstarted,
    /// A task of it is run for so many times by now.
    Attempted(u32),
    /// So many items more belong to it (a stream).
    Extended(u64),
    /// So many items are done.
    Advanced(u64),
    /// It ended. Exactly one of these comes, and none after it.
    Ended(Outcome),
}

/// Events in order, each with the job that it happened to.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<(Arc<Record>, JobEvent)>);

impl Events {
    pub fn push(&mut self, record: &Arc<Record>, event: JobEvent) {
        self.0.push((Arc::clone(record), event));
    }

    /// Takes all. The memory is reused.
    pub fn drain(&mut self) -> impl Iterator<Item = (Arc<Record>, JobEvent)> {
        self.0.drain(..)
    }
}
