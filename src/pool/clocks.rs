//! The clocks of jobs: how long a task may run, how long a job may wait, when a task is run again.

use std::collections::BTreeMap;
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
    waits: Agenda<()>,
    /// Tasks that are to be run again.
    retries: Agenda<Task>,
}

impl Clocks {
    /// A job may wait until then.
    pub fn wait(&mut self, until: Instant, job: u64) {
        self.waits.add(until, job, ());
    }

    /// A task is to be run again then.
    pub fn retry(&mut self, at: Instant, task: Task) {
        self.retries.add(at, task.job, task);
    }

    /// When the next thing is due.
    pub fn next(&self) -> Option<Instant> {
        self.waits.next().into_iter().chain(self.retries.next()).min()
    }

    /// None of a job's tasks is run again; how many were to be.
    pub fn drop_retries(&mut self, job: u64) -> usize {
        self.retries.forget(job)
    }

    /// A job ends: nothing of it is due any more.
    pub fn forget(&mut self, job: u64) {
        self.waits.forget(job);
        self.retries.forget(job);
    }
}

/// Things of jobs in the order of their moments.
#[derive(Debug)]
struct Agenda<T> {
    by_time: BTreeMap<(Instant, u64), (u64, T)>,
    by_job: BTreeMap<(u64, u64), Instant>,
    numbers: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), by_job: BTreeMap::new(), numbers: 0 }
    }
}

impl<T> Agenda<T> {
    fn add(&mut self, at: Instant, job: u64, thing: T) {
        self.numbers += 1;
        self.by_time.insert((at, self.numbers), (job, thing));
        self.by_job.insert((job, self.numbers), at);
    }

    fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    fn due(&mut self, now: Instant) -> Option<(u64, T)> {
        let first = self.by_time.first_entry()?;
        let (at, number) = *first.key();
        if at > now {
            return None;
        }
        let (job, thing) = first.remove();
        self.by_job.remove(&(job, number));
        Some((job, thing))
    }

    /// Drops what is there of a job; how much that was.
    fn forget(&mut self, job: u64) -> usize {
        let mut forgotten = 0;
        while let Some((&(of, number), &at)) = self.by_job.range((job, 0)..).next()
            && of == job
        {
            self.by_job.remove(&(job, number));
            self.by_time.remove(&(at, number));
            forgotten += 1;
        }
        forgotten
    }
}

impl Engine {
    /// Does what is due.
    pub(super) fn mind_clocks(&mut self) {
        while let Some((_, task)) = self.clocks.retries.due(self.now) {
            self.run_again(task);
        }
        while let Some((job, ())) = self.clocks.waits.due(self.now) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_due_in_the_order_of_their_moments() {
        let (mut agenda, start) = (Agenda::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (seconds, job) in [(3, 1), (1, 2), (2, 1), (1, 3)] {
            agenda.add(at(seconds), job, seconds);
        }
        assert_eq!(agenda.next(), Some(at(1)));
        assert_eq!(agenda.due(start), None);
        let due: Vec<_> = std::iter::from_fn(|| agenda.due(at(2))).collect();
        assert_eq!(due, [(2, 1), (3, 1), (1, 2)]);
        assert_eq!((agenda.next(), agenda.by_job.len()), (Some(at(3)), 1));
    }

    #[test]
    fn an_ended_job_leaves_nothing() {
        let (mut agenda, now) = (Agenda::default(), Instant::now());
        for job in [1, 2, 1, 3, 1] {
            agenda.add(now, job, job);
        }
        assert_eq!((agenda.forget(1), agenda.forget(1), agenda.forget(4)), (3, 0, 0));
        assert_eq!((agenda.by_time.len(), agenda.by_job.len()), (2, 2));
        let due: Vec<_> = std::iter::from_fn(|| agenda.due(now)).map(|(job, _)| job).collect();
        assert_eq!(due, [2, 3]);
        assert!(agenda.next().is_none() && agenda.by_job.is_empty());
    }
}
