//! The timers of jobs: how long one may wait in the queue, and when a task is retried.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
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

    /// A timer of a job that is due; [`Due::Dropped`]: of one that has ended.
    pub fn due_wait(&mut self, now: Instant) -> Option<Due<u64>> {
        self.waits.due(now).map(|due| due.map(|(job, ())| job))
    }

    /// A task whose retry is due.
    pub fn due_retry(&mut self, now: Instant) -> Option<Due<Task>> {
        self.retries.due(now).map(|due| due.map(|(_, task)| task))
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

    /// Whether dropped tasks are still to be freed.
    pub fn has_dropped(&self) -> bool {
        !self.retries.dropped.is_empty()
    }

    /// Frees so many of them.
    pub fn free_dropped(&mut self, most: usize) {
        self.retries.free_dropped(most);
    }
}

/// An entry whose time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<T> {
    Entry(T),
    /// It had been dropped.
    Dropped,
}

impl<T> Due<T> {
    fn map<U>(self, to: impl FnOnce(T) -> U) -> Due<U> {
        match self {
            Self::Entry(entry) => Due::Entry(to(entry)),
            Self::Dropped => Due::Dropped,
        }
    }
}

/// Entries of one job that are freed when they are dropped; more are freed bit by bit.
const FREED_AT_ONCE_MAX: usize = 100;

/// Entries of jobs in the order of their deadlines.
#[derive(Debug)]
struct TimerQueue<T> {
    by_time: BTreeMap<(Instant, u64), (u64, T)>,
    by_job: BTreeMap<(u64, u64), Instant>,
    /// How many each job has.
    counts: BTreeMap<u64, usize>,
    /// Jobs whose entries count as dropped and are still here.
    dropped: BTreeSet<u64>,
    numbers: u64,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self {
            by_time: BTreeMap::new(),
            by_job: BTreeMap::new(),
            counts: BTreeMap::new(),
            dropped: BTreeSet::new(),
            numbers: 0,
        }
    }
}

impl<T> TimerQueue<T> {
    fn add(&mut self, at: Instant, job: u64, entry: T) {
        self.numbers += 1;
        self.by_time.insert((at, self.numbers), (job, entry));
        self.by_job.insert((job, self.numbers), at);
        *self.counts.entry(job).or_default() += 1;
    }

    fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|((at, _), _)| *at)
    }

    fn due(&mut self, now: Instant) -> Option<Due<(u64, T)>> {
        let first = self.by_time.first_entry()?;
        let (at, number) = *first.key();
        if at > now {
            return None;
        }
        let (job, entry) = first.remove();
        self.by_job.remove(&(job, number));
        if self.dropped.contains(&job) {
            return Some(Due::Dropped);
        }
        if let Entry::Occupied(mut count) = self.counts.entry(job) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(Due::Entry((job, entry)))
    }

    /// Drops the entries of a job; returns how many.
    fn remove(&mut self, job: u64) -> usize {
        let Some(count) = self.counts.remove(&job) else { return 0 };
        if count > FREED_AT_ONCE_MAX {
            self.dropped.insert(job);
        } else {
            self.free(job, count);
        }
        count
    }

    /// Frees so many entries of a job, at most; returns how many.
    fn free(&mut self, job: u64, most: usize) -> usize {
        let mut freed = 0;
        while freed < most
            && let Some((&(of, number), &at)) = self.by_job.range((job, 0)..).next()
            && of == job
        {
            self.by_job.remove(&(job, number));
            self.by_time.remove(&(at, number));
            freed += 1;
        }
        freed
    }

    fn free_dropped(&mut self, most: usize) {
        let mut left = most;
        while left > 0
            && let Some(&job) = self.dropped.first()
        {
            let freed = self.free(job, left);
            if freed < left {
                self.dropped.remove(&job);
            }
            left -= freed;
        }
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
        assert!(timers.due(start).is_none());
        let due: Vec<_> = std::iter::from_fn(|| timers.due(at(2))).collect();
        assert_eq!(due, [(2, 1), (3, 1), (1, 2)].map(Due::Entry));
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
        let due: Vec<_> = std::iter::from_fn(|| timers.due(now)).collect();
        assert_eq!(due, [2, 3].map(|job| Due::Entry((job, job))));
        assert!(timers.next().is_none() && timers.by_job.is_empty());
    }

    #[test]
    fn many_entries_are_dropped_at_once_and_freed_bit_by_bit() {
        let (mut timers, now) = (TimerQueue::default(), Instant::now());
        (0..5_000).for_each(|_| timers.add(now, 1, ()));
        timers.add(now, 2, ());
        assert_eq!((timers.remove(1), timers.remove(1)), (5_000, 0));
        assert_eq!(timers.by_time.len(), 5_001, "that took no time");
        timers.free_dropped(1_000);
        assert_eq!((timers.by_time.len(), timers.by_job.len()), (4_001, 4_001));
        assert_eq!(timers.due(now), Some(Due::Dropped));
        (0..4).for_each(|_| timers.free_dropped(1_000));
        assert!(timers.dropped.is_empty() && timers.by_time.len() == 1);
        assert_eq!((timers.due(now), timers.due(now)), (Some(Due::Entry((2, ()))), None));
        assert!(timers.by_job.is_empty() && timers.counts.is_empty());
    }
}
