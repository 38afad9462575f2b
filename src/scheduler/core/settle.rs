//! What became of the tasks that were handed out: begun, answered, failed, or lost with their worker.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::task::Task;
use super::Scheduler;
use crate::jobs::{Failure, JobEvent, JobHandle, Said};

impl Scheduler {
    /// A task is at the head of a flight: its worker may run it from now on.
    pub fn begin(&mut self, task: &Task) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        if job.start() {
            self.running += 1;
            self.events.push(&job.handle, JobEvent::Started);
        }
        if task.retries > 0 {
            self.events.push(&job.handle, JobEvent::Attempted(task.retries + 1));
        }
    }

    /// What the function of a task says of how far it is.
    pub fn said(&mut self, handle: &Arc<JobHandle>, said: Said) {
        self.events.push(handle, JobEvent::Said(said));
    }

    /// A task was answered with its value.
    pub fn succeed(&mut self, task: &Task, value: &Bytes) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.succeed(task, value, self.result_bytes_max);
        if job.is_gathering() {
            self.gathering.insert(task.job);
        }
        self.events.push(&job.handle, JobEvent::Advanced(task.items));
        self.conclude(task.job);
    }

    /// A task failed: it is retried if its job's terms say so.
    pub fn fail(&mut self, mut task: Task, failure: Failure, now: Instant) {
        if task.is_per_item() {
            return self.fail_items(task, failure);
        }
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        match job.retry_after(&task, failure.code) {
            Some(delay) => {
                let failed = JobEvent::AttemptFailed(task.retries + 1, Box::new(failure));
                self.events.push(&job.handle, failed);
                job.await_retry(&mut task);
                self.timers.add_retry(now + delay, task);
            }
            None => {
                job.fail(&task, failure);
                self.conclude(task.job);
            }
        }
    }

    /// The worker that had a task has died. One that had not begun is handed out again, unless that has happened too
    /// often; of one that had, `items_done` items were done.
    pub fn lose(
        &mut self,
        mut task: Task,
        has_begun: bool,
        items_done: u64,
        failure: impl FnOnce(&Task) -> Failure,
        now: Instant,
    ) {
        let has_yielded = task.is_yielding() && task.delivered > 0;
        if !has_begun && !has_yielded && task.may_be_resent() {
            task.deliveries += 1;
            return self.give_back(task);
        }
        let failure = failure(&task);
        if task.is_per_item() {
            self.lose_items(task, &failure, items_done, now);
        } else {
            self.fail(task, failure, now);
        }
    }
}
