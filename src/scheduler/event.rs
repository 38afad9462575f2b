//! What happened to jobs, as values: the scheduler changes the state of none. Of each job, exactly one end comes, and
//! nothing after it.

use std::sync::Arc;

use crate::jobs::{JobEvent, JobHandle};

/// Events in order, each with the job that it happened to.
#[derive(Debug, Default)]
pub(super) struct Events(Vec<(Arc<JobHandle>, JobEvent)>);

impl Events {
    pub fn push(&mut self, handle: &Arc<JobHandle>, event: JobEvent) {
        self.0.push((Arc::clone(handle), event));
    }

    /// Takes all. The memory is reused.
    pub fn drain(&mut self) -> impl Iterator<Item = (Arc<JobHandle>, JobEvent)> {
        self.0.drain(..)
    }
}
