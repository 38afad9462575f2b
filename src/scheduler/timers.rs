//! The timers of jobs: how long one may wait in the queue, and when a task is retried.

use std::collections::BTreeMap;
use std::time::Instant;

use super::task::Task;

/// All timers of a pool's jobs.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// `queue_timeout` of jobs.
    waits: TimerQueue<()>,
    /// Tasks that wait for their retry.
    retries: TimerQueue<Task>,
}

impl Timers {
    /// A job may wait until then.
    pub fn add_wait(&mut self, until: Instant, job: u64) {
        self.waits.add(until, job, ());
    }

    /// A task is to be retried then.
    pub fn add_retry(&mut self, at: Instant, task: Task) {
        self.retries.add(at, task.job, task);
    }

    /// A job whose time to wait is over.
    pub fn due_wait(&mut self, now: Instant) -> Option<u64> {
        self.waits.due(now).map(|(job, ())| job)
    }

    /// A task whose retry is due.
    pub fn due_retry(&mut self, now: Instant) -> Option<Task> {
        self.retries.due(now).map(|(_, task)| task)
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Instant> {
        self.waits.next().into_iter().chain(self.retries.next()).min()
    }

    /// Drops a job's tasks that wait for their retry; returns how many.
    pub fn drop_retries(&mut self, job: u64) -> usize {
        self.retries.remove(job)
    }

    /// Drops all timers of a job that ends; returns how many tasks waited for their retry.
    pub fn remove(&mut self, job: u64) -> usize {
        self.waits.remove(job);
        self.retries.remove(job)
    }
}

/// Entries of jobs in the order of their deadlines.
#[derive(Debug)]
struct TimerQueue<T> {
    by_time: BTreeMap<(Instant, u64), (u64, T)>,
    by_job: BTreeMap<(u64, u64), Instant>,
    numbers: u64,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self { by_time: BTreeMap::new(), by_job: BTreeMap::new(), numbers: 0 }
    }
}

impl<T> TimerQueue<T> {
    fn add(&mut self, at: Instant, job: u64, entry: T) {
        self.numbers += 1;
        self.by_time.insert((at, self.numbers), (job, entry));
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
        let (job, entry) = first.remove();
        self.by_job.remove(&(job, number));
        Some((job, entry))
    }

    /// Drops the entries of a job; returns how many.
    fn remove(&mut self, job: u64) -> usize {
        let mut removed = 0;
        while let Some((&(of, number), &at)) = self.by_job.range((job, 0)..).next()
            && of == job
        {
            self.by_job.remove(&(job, number));
            self.by_time.remove(&(at, number));
            removed += 1;
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn entries_are_due_in_the_order_of_their_deadlines() {
        let (mut timers, start) = (TimerQueue::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (seconds, job) in [(3, 1), (1, 2), (2, 1), (1, 3)] {
            timers.add(at(seconds), job, seconds);
        }
        assert_eq!(timers.next(), Some(at(1)));
        assert_eq!(timers.due(start), None);
        let due: Vec<_> = std::iter::from_fn(|| timers.due(at(2))).collect();
        assert_eq!(due, [(2, 1), (3, 1), (1, 2)]);
        assert_eq!((timers.next(), timers.by_job.len()), (Some(at(3)), 1));
    }

    #[test]
    fn an_ended_job_leaves_nothing() {
        let (mut timers, now) = (TimerQueue::default(), Instant::now());
        for job in [1, 2, 1, 3, 1] {
            timers.add(now, job, job);
        }
        assert_eq!((timers.remove(1), timers.remove(1), timers.remove(4)), (3, 0, 0));
        assert_eq!((timers.by_time.len(), timers.by_job.len()), (2, 2));
        let due: Vec<_> = std::iter::from_fn(|| timers.due(now)).map(|(job, _)| job).collect();
        assert_eq!(due, [2, 3]);
        assert!(timers.next().is_none() && timers.by_job.is_empty());
    }
}
