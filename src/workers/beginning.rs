//! Between the queue and the hand-out: tasks whose attempt the store writes down first. Empty where that takes no time.
//!
//! What waits here is in flight for the scheduler. Once its attempt is written down it goes back to the front of the
//! queue, and is handed out from there as any other.

use std::collections::BTreeMap;

use super::reports::WorkerReport;
use super::set::WorkerSet;
use super::table::WorkerKey;
use crate::jobs::Stored;
use crate::scheduler::{Scheduler, Task};

/// Tasks that wait here, for each worker.
const TASKS_PER_WORKER: usize = 4;

/// The tasks, by the numbers of their waits.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    tasks: BTreeMap<u64, Task>,
    waits: u64,
    /// Those whose wait is over.
    begun: Vec<Task>,
}

impl WorkerSet {
    /// Whether another task may wait here.
    pub(super) fn may_begin(&self) -> bool {
        self.beginning.tasks.len() < TASKS_PER_WORKER * self.table.ready()
    }

    /// The task, if it can be handed out now; else it waits.
    pub(super) fn begun(&mut self, key: WorkerKey, mut task: Task) -> Option<Task> {
        if task.has_begun {
            return Some(task);
        }
        task.has_begun = true;
        let Stored::Pending(written) = self.spec.store.begin(task.attempt()) else { return Some(task) };
        self.beginning.waits += 1;
        let (wait, reporter) = (self.beginning.waits, self.reporter.clone());
        self.beginning.tasks.insert(wait, task);
        tokio::spawn(async move {
            written.await;
            reporter(key, WorkerReport::Begun(wait));
        });
        None
    }

    /// The store knows of a task's attempt.
    pub(super) fn on_begun(&mut self, wait: u64) {
        self.beginning.begun.extend(self.beginning.tasks.remove(&wait));
    }

    /// What has begun goes to the front of the queue, in its order.
    pub(super) fn queue_begun(&mut self, scheduler: &mut Scheduler) {
        for task in self.beginning.begun.drain(..).rev() {
            scheduler.give_back(task);
        }
    }

    /// Takes back those of one job, or all. That an attempt was written down and then not made is no harm; one that is
    /// made without having been written down is: it begins anew.
    pub(super) fn take_back_beginning(&mut self, job: Option<u64>, scheduler: &mut Scheduler) {
        self.queue_begun(scheduler);
        let tasks = &mut self.beginning.tasks;
        for (_, mut task) in tasks.extract_if(.., |_, task| job.is_none_or(|job| task.job == job)) {
            task.has_begun = false;
            scheduler.take_back(task);
        }
    }
}
