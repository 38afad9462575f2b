//! The clocks of jobs: how long a task may run, how long a job may wait, when a task is run again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::fate::KillCause;
use super::roster::SeatId;
use super::task::Task;
use crate::jobs::{Failure, FailureCode, Outcome};

/// An answer that is on its way is given so long before the next look.
const ANSWER_UNDER_WAY: Duration = Duration::from_millis(10);

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    /// Jobs that may not wait for longer.
    waits: BTreeSet<(Instant, u64)>,
    /// Tasks that are to be run again.
    retries: BTreeMap<(Instant, u64), Task>,
    numbers: u64,
}

impl Clocks {
    /// A job may wait until then.
    pub fn wait(&mut self, until: Instant, job: u64) {
        self.waits.insert((until, job));
    }

    /// A task is to be run again then.
    pub fn retry(&mut self, at: Instant, task: Task) {
        self.numbers += 1;
        self.retries.insert((at, self.numbers), task);
    }

    /// When the next thing is due.
    pub fn next(&self) -> Option<Instant> {
        let wait = self.waits.first().map(|(at, _)| *at);
        let retry = self.retries.first_key_value().map(|((at, _), _)| *at);
        wait.into_iter().chain(retry).min()
    }

    fn waited_out(&mut self, now: Instant) -> Option<u64> {
        let (at, _) = self.waits.first()?;
        if *at <= now { self.waits.pop_first().map(|(_, job)| job) } else { None }
    }

    fn due_again(&mut self, now: Instant) -> Option<Task> {
        let entry = self.retries.first_entry()?;
        if entry.key().0 <= now { Some(entry.remove()) } else { None }
    }
}

impl Engine {
    /// Does what is due.
    pub(super) fn mind_clocks(&mut self) {
        while let Some(task) = self.clocks.due_again(self.now) {
            self.run_again(task);
        }
        while let Some(job) = self.clocks.waited_out(self.now) {
            self.on_waited_out(job);
        }
        while let Some(id) = self.roster.overrun(self.now) {
            self.on_overrun(id);
        }
    }

    /// A job of which nothing has started by now has waited for too long.
    fn on_waited_out(&mut self, job: u64) {
        if self.runs.get(&job).is_none_or(|run| run.has_started()) {
            return;
        }
        for id in self.roster.holders(job) {
            self.recall(id);
        }
        let Some(run) = self.runs.get(&job) else { return };
        if run.has_started() || !self.roster.holders(job).is_empty() {
            return;
        }
        let most = run.record.new.terms.queue_timeout.unwrap_or_default().as_secs_f64();
        let detail = format!("no worker was free for it within {most} s (queue_timeout)");
        let failure = Failure::new(FailureCode::QueueTimeout, detail);
        self.end(job, Outcome::Failure(Box::new(failure)));
    }

    /// A head ran for longer than it may, unless it was never read. Only the last task of a flight can be running
    /// once the pipe is empty.
    fn on_overrun(&mut self, id: SeatId) {
        if self.recall_from_silent(id) {
            return;
        }
        let flight = self.roster.flight(id).count();
        if flight == 1 {
            self.kill(id, KillCause::RunTimeout);
        } else {
            self.roster.look_again(id, self.now + ANSWER_UNDER_WAY);
        }
    }

    /// A task ended without a value: it is run again if its terms say so, else it has failed.
    pub(super) fn fail(&mut self, mut task: Task, failure: Failure) {
        if task.is_each() {
            return self.fail_each(&task, &failure);
        }
        let Some(run) = self.runs.get_mut(&task.job) else { return };
        let pause = run.retry_after(&task, failure.code);
        match pause {
            Some(pause) => {
                run.wait_again(&mut task);
                self.clocks.retry(self.now + pause, task);
            }
            None => {
                run.fail(&task, failure);
                self.conclude(task.job);
            }
        }
    }
}
