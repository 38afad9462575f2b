//! The scheduler of one pool: takes jobs, hands out their tasks, takes what became of them ([`settle`]; where each
//! item has a record of its own, [`per_item`]; what a call yields, [`yields`]).

mod held_back;
mod parking;
mod per_item;
#[cfg(test)]
pub(super) mod sabotage;
mod settle;
#[cfg(test)]
mod tests;
mod yields;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::event::Events;
use super::fate;
use super::job::ActiveJob;
use super::queue::Queue;
use super::task::{Submission, Task};
use super::timers::{Due, Timers};
use crate::jobs::{
    AnswerBytes, COUNTED_BYTES_MIN, Failure, FailureCode, JobEvent, JobHandle, Outcome, Share,
};
use held_back::HeldBack;
use parking::{Parked, Round};

/// Tasks that are dropped at once, at most.
const DROPPED_AT_ONCE_MAX: usize = 100;

/// The jobs of one pool, until each has ended.
#[derive(Debug)]
pub(crate) struct Scheduler {
    /// The pool's name, which its concurrency permits bear.
    pool: Arc<str>,
    /// Wakes whoever hands out, when another pool releases a permit that jobs of this one wait for.
    waker: Waker,
    /// Largest value in bytes.
    result_bytes_max: usize,
    /// What is held of answers that nobody has taken.
    answers: AnswerBytes,
    held_back: HeldBack,
    /// Jobs over a stream.
    streams: BTreeSet<u64>,
    /// Jobs that have gathered values.
    gathering: BTreeSet<u64>,
    /// Boxed: a tree of large values is a tree that is often copied.
    jobs: BTreeMap<u64, Box<ActiveJob>>,
    queue: Queue,
    /// Jobs with work whose function may not run now, by function.
    parked: BTreeMap<Arc<str>, Parked>,
    timers: Timers,
    round: Round,
    /// Jobs of which something has started.
    running: usize,
    /// Jobs with items that can be told now that their task failed. (Those that wait for their client are not here.)
    refusing: VecDeque<u64>,
    /// Tasks of jobs that have ended, still to be freed.
    discarded: Vec<VecDeque<Task>>,
    events: Events,
}

/// How a cancelled job goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelling {
    /// It has ended.
    Ended,
    /// Tasks of it are in flight: their answers may be on the way.
    InFlight,
}

impl Scheduler {
    /// Without jobs. `result_bytes_max`: the largest value in bytes.
    pub fn new(pool: Arc<str>, waker: Waker, result_bytes_max: usize, answers: AnswerBytes) -> Self {
        Self {
            pool,
            waker,
            result_bytes_max,
            answers,
            held_back: HeldBack::default(),
            streams: BTreeSet::new(),
            gathering: BTreeSet::new(),
            jobs: BTreeMap::new(),
            queue: Queue::default(),
            parked: BTreeMap::new(),
            timers: Timers::default(),
            round: Round::default(),
            running: 0,
            refusing: VecDeque::new(),
            discarded: Vec::new(),
            events: Events::default(),
        }
    }

    /// Takes a job. It ends in an event, whatever happens.
    pub fn submit(&mut self, submission: Submission, now: Instant) {
        let mut job = Box::new(ActiveJob::new(submission, &self.answers));
        if let Some(outcome) = job.outcome() {
            return self.events.push(&job.handle, JobEvent::Ended(outcome));
        }
        let number = job.handle.number;
        if let Some(max) = job.handle.terms.queue_timeout {
            self.timers.add_wait(now + max, number);
        }
        self.queue.push(number, &job.place());
        if job.is_stream() {
            self.streams.insert(number);
        }
        self.jobs.insert(number, job);
    }

    /// More items of a stream, as a list and its count; `None` is its end.
    pub fn feed(&mut self, number: u64, more: Option<(Bytes, usize)>) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if let Some((_, count)) = &more {
            self.events.push(&job.handle, JobEvent::Extended(*count as u64));
        }
        job.feed(more);
        self.wake(number);
        self.conclude(number);
    }

    /// The client of a stream took records: the job may have work to hand out again.
    pub fn wake(&mut self, number: u64) {
        self.queue_refused(number);
        if let Some(job) = self.jobs.get(&number)
            && job.has_waiting()
        {
            self.queue.push_once(number, &job.place());
        }
    }

    /// Cancels a job whose unread tasks have been given back: what waits is dropped at once.
    pub fn cancel(&mut self, number: u64) -> Cancelling {
        let Some(job) = self.jobs.get_mut(&number) else { return Cancelling::Ended };
        let retries = self.timers.drop_retries(number);
        let returned = job.cancel(retries);
        discard(&mut self.discarded, returned);
        if job.open() > 0 {
            return Cancelling::InFlight;
        }
        self.end_cancelled(number);
        Cancelling::Ended
    }

    /// Ends a cancelled job once the answers that were on the way have been read. `is_running`: a worker runs a task
    /// of it and will be killed. If none does, all its tasks have been answered, and those answers count; but it waits
    /// for no client.
    pub fn finish_cancel(&mut self, number: u64, is_running: bool) {
        let Some(job) = self.jobs.get(&number) else { return };
        let waiting = if job.is_stream() { job.refused() } else { 0 };
        let is_answered = !is_running && job.open() > waiting;
        if !is_answered || job.has_lost_work() || job.has_waiting() {
            self.end_cancelled(number);
        }
    }

    fn end_cancelled(&mut self, number: u64) {
        if let Some(outcome) = self.jobs.get(&number).map(|job| job.cancelled_outcome()) {
            self.end(number, outcome);
        }
    }

    /// The client of a job has left; its unread tasks have been given back. What waits is dropped as by a cancel; what
    /// runs goes on, and with it the job, whose values nobody takes any more.
    pub fn abandon(&mut self, number: u64) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.abandon();
            self.streams.remove(&number);
            self.gathering.remove(&number);
        }
        self.cancel(number);
    }

    /// Of `most` jobs from a number on, ends those of which nothing has started; unread tasks have been given back.
    /// Returns the number to go on from; `None` after the last.
    pub fn drain(&mut self, from: u64, most: usize) -> Option<u64> {
        let some = self.jobs.range(from..).take(most).map(|(number, job)| (*number, job.has_started()));
        let some: Vec<(u64, bool)> = some.collect();
        for (number, _) in some.iter().filter(|(_, has_started)| !has_started) {
            self.end(*number, Outcome::Failure(Arc::new(fate::of_shutdown(false))));
        }
        some.last().map(|(number, _)| number + 1)
    }

    /// Ends `most` jobs with the failure for one that has started, or has not. `true`: there are more.
    pub fn end_some(&mut self, most: usize, failure: impl Fn(bool) -> Failure) -> bool {
        for _ in 0..most {
            let Some((number, job)) = self.jobs.first_key_value() else { return false };
            let (number, failure) = (*number, failure(job.has_started()));
            self.end(number, Outcome::Failure(Arc::new(failure)));
        }
        !self.jobs.is_empty()
    }

    /// A job that waited for longer than it may, unless something of it has started; looks at `most` timers, and counts
    /// them. The caller gives back its unread tasks and then asks [`Scheduler::end_overdue`].
    pub fn overdue(&mut self, now: Instant, most: &mut usize) -> Option<u64> {
        while *most > 0
            && let Some(due) = self.timers.due_wait(now)
        {
            *most -= 1;
            if let Due::Entry(number) = due
                && self.jobs.get(&number).is_some_and(|job| !job.has_started())
            {
                return Some(number);
            }
        }
        None
    }

    /// Ends a job that waited for longer than it may, unless a task of it is with a worker.
    pub fn end_overdue(&mut self, number: u64) {
        let Some(job) = self.jobs.get(&number) else { return };
        if job.has_started() || job.open() > job.refused() {
            return;
        }
        let max = job.handle.terms.queue_timeout.unwrap_or_default().as_secs_f64();
        let detail = format!("no worker was free for it within {max} s (queue_timeout)");
        self.end(number, failed(FailureCode::QueueTimeout, detail));
    }

    /// Queues tasks whose retry is due, at most so many.
    pub fn queue_retries(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            match self.timers.due_retry(now) {
                Some(Due::Entry(task)) => self.queue_retry(task),
                Some(Due::Dropped) => {}
                None => return,
            }
        }
    }

    /// Frees tasks of jobs that have ended, at most so many.
    pub fn free(&mut self, most: usize) {
        if self.timers.has_dropped() {
            self.timers.free_dropped(most);
        }
        if let Some(tasks) = self.discarded.last_mut() {
            tasks.truncate(tasks.len().saturating_sub(most));
            if tasks.is_empty() {
                self.discarded.pop();
            }
        }
    }

    /// When a timer is due or a quarantine ends: the caller should come back then. Now, if some of what is due, or is
    /// to be told or freed, was left.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let has_garbage = self.timers.has_dropped() || !self.discarded.is_empty();
        let has_more = has_garbage || !self.refusing.is_empty() || self.is_cut_short();
        let at_once = has_more.then_some(now);
        let next = self.timers.next().into_iter().chain(self.next_unpark(now)).chain(self.held_back.until);
        next.chain(at_once).min()
    }

    /// What happened to jobs since the last call, in order.
    pub fn events(&mut self) -> impl Iterator<Item = (Arc<JobHandle>, JobEvent)> {
        self.events.drain()
    }

    /// Whether every job has ended.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// A job's handle, until it has ended.
    pub fn handle(&self, number: u64) -> Option<&Arc<JobHandle>> {
        self.jobs.get(&number).map(|job| &job.handle)
    }

    /// Jobs of which nothing has started, and those of which something has.
    pub fn counts(&self) -> (usize, usize) {
        (self.jobs.len() - self.running, self.running)
    }

    /// Ends a job if nothing of it is left to do.
    fn conclude(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if let Some(outcome) = job.outcome() {
            self.end(number, outcome);
        } else if job.is_cancelled() && job.waits_for_client() {
            self.end_cancelled(number);
        }
    }

    /// Ends a job, whatever is left of it.
    fn end(&mut self, number: u64, mut outcome: Outcome) {
        let Some(mut job) = self.jobs.remove(&number) else { return };
        self.running -= usize::from(job.has_started());
        self.gathering.remove(&number);
        self.streams.remove(&number);
        // What is kept counts there.
        if let Outcome::Value(value) = &mut outcome
            && !job.handle.retained
            && value.len() >= COUNTED_BYTES_MIN
        {
            value.held = Some(Arc::new(self.answers.hold(Share::Untaken, value.len())));
        }
        discard(&mut self.discarded, job.take_returned());
        self.timers.remove(number);
        self.events.push(&job.handle, JobEvent::Ended(outcome));
        self.tidy_queues();
    }

    /// Removes entries of jobs without work once they are many.
    fn tidy_queues(&mut self) {
        let jobs = &self.jobs;
        let queues = self.parked.values_mut().map(Parked::queue_mut);
        for queue in queues.chain([&mut self.queue]) {
            queue.tidy(jobs.len(), |number| jobs.contains_key(&number));
        }
    }
}

/// Tasks of a job that is over are dropped: bit by bit, if they are many.
fn discard(discarded: &mut Vec<VecDeque<Task>>, tasks: VecDeque<Task>) {
    if tasks.len() > DROPPED_AT_ONCE_MAX {
        discarded.push(tasks);
    }
}

fn failed(code: FailureCode, detail: impl Into<String>) -> Outcome {
    Outcome::Failure(Arc::new(Failure::new(code, detail)))
}
