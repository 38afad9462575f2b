//! Tasks whose items each get a record: parts of answers as they come, and what a death leaves.

use std::time::Instant;

use super::super::event::Events;
use super::super::fate;
use super::super::job::ActiveJob;
use super::super::results::OWN_BYTES_MIN;
use super::super::task::Task;
use super::super::timers::Timers;
use super::Scheduler;
use crate::jobs::{Failure, JobEvent, Room};
use crate::transport::RecordRun;

/// Items that are told of the failure of their task in one turn, at most. (Tests are small and must meet it.)
const TOLD_AT_ONCE_MAX: u64 = if cfg!(test) { 2 } else { 4_096 };

impl Scheduler {
    /// Records of a task's next items came; its worker still has it.
    pub fn deliver(&mut self, task: &mut Task, records: RecordRun, now: Instant) {
        let first = task.delivered;
        task.delivered += records.count as u64;
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let limit = self.result_bytes_max;
        // Records of a stream stay for as long as its client likes.
        let records = if job.is_stream() { records.compact(OWN_BYTES_MIN) } else { records };
        let (known, mut done) = ((records.valid, records.fault), 0);
        let mut ends = ItemEnds { timers: &mut self.timers, events: &mut self.events, now, limit };
        for (offset, record) in (first..).zip(records) {
            let index = task.first_item + offset;
            done += match fate::of_record(&record, known, task, index, limit) {
                None => {
                    job.record_value(index, record, limit);
                    1
                }
                Some(failure) => ends.end(job, task, offset, &failure),
            };
        }
        if job.is_gathering() {
            self.gathering.insert(task.job);
        }
        self.events.push(&job.handle, JobEvent::Advanced(done));
    }

    /// A task was answered, and all its items have their records.
    pub fn finish_items(&mut self, task: &Task) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        job.close_task(task);
        self.conclude(task.job);
    }

    /// The worker of a task died: what ran has failed, and the items behind it go on as another task.
    pub(super) fn lose_items(&mut self, mut task: Task, failure: &Failure, items_done: u64, now: Instant) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let lost = fate::lost_items(&task, items_done);
        let behind = lost.end;
        let limit = self.result_bytes_max;
        let mut ends = ItemEnds { timers: &mut self.timers, events: &mut self.events, now, limit };
        let mut done = 0;
        for offset in lost {
            let mut failure = failure.clone();
            failure.index = Some(task.first_item + offset);
            done += ends.end(job, &mut task, offset, &failure);
        }
        self.events.push(&job.handle, JobEvent::Advanced(done));
        let left = task.items - behind;
        match if left > 0 { task.part(behind, left) } else { None } {
            Some(rest) => {
                job.shrink(&task, &rest);
                self.give_back(rest);
            }
            None => self.finish_items(&task),
        }
    }

    /// A failure of a whole task (it can't be read, say) is that of each item without a record.
    pub(super) fn fail_items(&mut self, task: Task, failure: Failure) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        if fate::is_of_whole_job(failure.code) {
            job.fail(&task, failure);
            return self.conclude(task.job);
        }
        let number = task.job;
        job.refuse(task, failure);
        self.queue_refused(number);
    }

    /// A job may have items that are to be told of the failure of their task: they are, once there is room for that.
    pub(super) fn queue_refused(&mut self, number: u64) {
        let Some(job) = self.jobs.get_mut(&number).filter(|job| job.refused() > 0) else { return };
        // Room that comes after this look wakes.
        if !job.may_tell_refused() && self.answers.room() != Room::Free {
            self.held_back.is_on = true;
            self.answers.wait(&self.pool, &self.waker);
        }
        if job.may_tell_refused() && !std::mem::replace(&mut job.is_refusing, true) {
            self.refusing.push_back(number);
        }
    }

    /// Tells items that their task failed, as far as their clients take it: some at once, each job in its turn. `true`:
    /// there are more, and the caller comes back.
    pub fn tell_refused(&mut self) -> bool {
        // Also while no worker is free: nothing but room for answers may be missing.
        if self.held_back.is_on {
            self.room();
        }
        let mut left = TOLD_AT_ONCE_MAX;
        while left > 0
            && let Some(number) = self.refusing.pop_front()
        {
            left = left.saturating_sub(1 + self.tell_refused_of(number, left));
        }
        !self.refusing.is_empty()
    }

    fn tell_refused_of(&mut self, number: u64, most: u64) -> u64 {
        let Some(job) = self.jobs.get_mut(&number) else { return 0 };
        job.is_refusing = false;
        let had_backlog = job.has_backlog();
        let (told, cost) = job.tell_refused(self.result_bytes_max, most);
        if job.is_gathering() {
            self.gathering.insert(number);
        }
        if had_backlog && !job.has_backlog() && job.has_waiting() {
            self.queue.push_once(number, &job.place());
        }
        self.events.push(&job.handle, JobEvent::Advanced(told));
        self.queue_refused(number);
        self.conclude(number);
        cost
    }
}

/// What items end with that have no value.
struct ItemEnds<'a> {
    timers: &'a mut Timers,
    events: &'a mut Events,
    now: Instant,
    /// The largest value in bytes.
    limit: usize,
}

impl ItemEnds<'_> {
    /// An item failed: it is run again as a task of its own, or that is its record. How many have ended by it.
    fn end(&mut self, job: &mut ActiveJob, task: &mut Task, offset: u64, failure: &Failure) -> u64 {
        let delay = job.retry_after(task, failure.code);
        match delay.and_then(|delay| Some((task.part(offset, 1)?, delay))) {
            Some((mut item, delay)) => {
                let failed = JobEvent::AttemptFailed(task.retries + 1, Box::new(failure.clone()));
                self.events.push(&job.handle, failed);
                job.add_open(&item);
                job.await_retry(&mut item);
                self.timers.add_retry(self.now + delay, item);
                0
            }
            None => {
                job.record_failure(failure, self.limit);
                1
            }
        }
    }
}
