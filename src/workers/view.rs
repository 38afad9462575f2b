//! What the workers are doing at one moment, from their shared pages. For people only.

use std::sync::Arc;
use std::time::Duration;

use super::set::WorkerSet;
use super::table::{Phase, WorkerKey};
use crate::counters::{self, Ahead, Counters};
use crate::jobs::JobId;

/// A worker at one moment.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its process id; `None` before it is forked.
    pub pid: Option<i32>,
    /// `starting`, `idle`, `busy` or `stopping`.
    pub state: &'static str,
    /// Whether it is a spare.
    pub spare: bool,
    /// The generation of the code that it has loaded.
    pub generation: u64,
    /// The job and the function of its head.
    pub current: Option<(JobId, Arc<str>)>,
    /// How long that has been its head.
    pub current_age: Option<Duration>,
    /// Its shared page.
    pub counters: Counters,
}

impl WorkerSet {
    /// All workers.
    pub fn views(&self) -> Vec<WorkerView> {
        self.table.keys().filter_map(|key| self.view(key)).collect()
    }

    /// A task that the worker hasn't read, by its page, is not its current one.
    fn view(&self, key: WorkerKey) -> Option<WorkerView> {
        let handle = self.table.handle(key)?;
        let counters = counters::read(handle.link.page());
        let current = self.table.flight(key).find(|task| task.sequence == counters.current_task);
        let phase = self.table.phase(key)?;
        let state = match phase {
            Phase::Starting(_) => "starting",
            Phase::Ready | Phase::Silent(_) if counters.busy => "busy",
            Phase::Ready | Phase::Spare | Phase::Silent(_) => "idle",
            Phase::Leaving | Phase::Ending => "stopping",
        };
        Some(WorkerView {
            pid: handle.process.as_ref().map(|process| process.pid()),
            state,
            spare: phase == Phase::Spare,
            generation: handle.generation.as_ref().map_or(0, |generation| generation.number),
            current: current.map(|task| (task.handle.id, Arc::clone(task.function.name()))),
            current_age: current.and_then(|_| counters.task_age()),
            counters,
        })
    }

    /// Items of a job that workers have done and of which the server has not read the answers.
    pub fn items_ahead(&self, job: u64) -> u64 {
        self.table.holders(job).into_iter().map(|key| self.items_ahead_at(key, job)).sum()
    }

    fn items_ahead_at(&self, key: WorkerKey, job: u64) -> u64 {
        let Some(handle) = self.table.handle(key) else { return 0 };
        let ahead = Ahead::read(handle.link.page(), handle.answers);
        let flight = (0..).zip(self.table.flight(key));
        let begun =
            flight.map_while(|(at, task)| Some((task, ahead.items_of(at, task.sequence, task.items)?)));
        let of_the_job = begun.filter(|(task, _)| task.job == job);
        of_the_job.map(|(task, done)| done.saturating_sub(task.delivered)).sum()
    }
}
