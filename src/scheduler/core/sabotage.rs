//! Planted bugs, for the simulation to find: a scheduler that makes one of them, and is right otherwise.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::super::task::{Submission, Task};
use super::super::timers::Due;
use super::{Cancelling, Scheduler};
use crate::jobs::{AnswerBytes, Failure, JobEvent, JobHandle};
use crate::transport::RecordRun;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scheduler) enum Bug {
    DropsReturnedTask,
    HandsOutTwice,
    KeepsPermit,
    ReleasesPermitEarly,
    IgnoresWake,
    ForgetsRetry,
    ForgetsQueueTimeout,
    SleepsTooLong,
    IgnoresPriority,
    IgnoresKeys,
    LastComeFirstServed,
    EndsTwice,
    NeverEnds,
    NeverUnparks,
    CancelLeavesWork,
    RetryTakesTurn,
    AbandonEndsAtOnce,
    DrainsOnce,
}

/// The scheduler, or one that makes a mistake.
#[derive(Debug)]
pub(in crate::scheduler) struct Sabotaged {
    scheduler: Scheduler,
    bug: Option<Bug>,
    again: VecDeque<Task>,
}

impl Sabotaged {
    pub fn new(bug: Option<Bug>, pool: Arc<str>, waker: Waker, answers: AnswerBytes) -> Self {
        let waker = if bug == Some(Bug::IgnoresWake) { Waker::noop().clone() } else { waker };
        Self { scheduler: Scheduler::new(pool, waker, 1 << 20, answers), bug, again: VecDeque::new() }
    }

    fn makes(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub fn submit(&mut self, mut submission: Submission, now: Instant) {
        if let Some(handle) = Arc::get_mut(&mut submission.handle) {
            let terms = &mut handle.info_mut().terms;
            match self.bug {
                Some(Bug::IgnoresPriority) => terms.priority = 0,
                Some(Bug::IgnoresKeys) => terms.key = None,
                Some(Bug::ForgetsQueueTimeout) => terms.queue_timeout = None,
                Some(_) | None => {}
            }
        }
        let number = submission.handle.number;
        self.scheduler.submit(submission, now);
        let Scheduler { jobs, queue, .. } = &mut self.scheduler;
        if let Some(job) = jobs.get(&number)
            && self.bug == Some(Bug::LastComeFirstServed)
        {
            queue.push_next(number, &job.place());
        }
    }

    pub fn next_task<W>(
        &mut self,
        now: Instant,
        mut choose: impl FnMut(&Task) -> Option<W>,
    ) -> Option<(Task, W)> {
        if let Some(task) = self.again.pop_front()
            && let Some(worker) = choose(&task)
        {
            return Some((task, worker));
        }
        let (mut task, worker) = self.scheduler.next_task(now, choose)?;
        match self.bug {
            Some(Bug::HandsOutTwice) => self.again.extend(same(&task)),
            Some(Bug::KeepsPermit) => std::mem::forget(task.permit.take()),
            Some(Bug::ReleasesPermitEarly) => task.permit = None,
            Some(_) | None => {}
        }
        Some((task, worker))
    }

    pub fn unpark(&mut self, now: Instant) {
        if !self.makes(Bug::NeverUnparks) {
            self.scheduler.unpark(now);
        }
    }

    pub fn give_back(&mut self, task: Task) {
        if !self.makes(Bug::DropsReturnedTask) {
            self.scheduler.give_back(task);
        }
    }

    pub fn take_back(&mut self, task: Task) {
        if !self.makes(Bug::DropsReturnedTask) {
            self.scheduler.take_back(task);
        }
    }

    pub fn cancel(&mut self, number: u64) -> Cancelling {
        if self.makes(Bug::CancelLeavesWork)
            && let Some(handle) = self.scheduler.handle(number).map(Arc::clone)
        {
            let outcome = super::failed(crate::jobs::FailureCode::Cancelled, "");
            self.scheduler.events.push(&handle, JobEvent::Ended(outcome));
            return Cancelling::Ended;
        }
        self.scheduler.cancel(number)
    }

    pub fn abandon(&mut self, number: u64) {
        self.scheduler.abandon(number);
        if self.makes(Bug::AbandonEndsAtOnce) {
            self.scheduler.end_cancelled(number);
        }
    }

    pub fn queue_retries(&mut self, now: Instant, most: usize) {
        match self.bug {
            Some(Bug::ForgetsRetry) => {}
            Some(Bug::RetryTakesTurn) => {
                while let Some(due) = self.scheduler.timers.due_retry(now) {
                    if let Due::Entry(task) = due {
                        self.scheduler.give_back(task);
                    }
                }
            }
            Some(_) | None => self.scheduler.queue_retries(now, most),
        }
    }

    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let wake = self.scheduler.next_wake(now);
        if self.makes(Bug::SleepsTooLong) {
            wake.map(|at| at + std::time::Duration::from_secs(1))
        } else {
            wake
        }
    }

    pub fn events(&mut self) -> Vec<(Arc<JobHandle>, JobEvent)> {
        let mut events: Vec<_> = self.scheduler.events().collect();
        let end = events.iter().position(|(_, event)| matches!(event, JobEvent::Ended(_)));
        if let Some(at) = end {
            match self.bug {
                Some(Bug::NeverEnds) => drop(events.remove(at)),
                Some(Bug::EndsTwice) => {
                    let (handle, JobEvent::Ended(outcome)) = &events[at] else { return events };
                    let again = (Arc::clone(handle), JobEvent::Ended(outcome.clone()));
                    events.push(again);
                }
                Some(_) | None => {}
            }
        }
        events
    }
}

/// What goes through unchanged.
impl Sabotaged {
    pub fn start_round(&mut self) {
        self.scheduler.start_round();
    }

    pub fn tell_refused(&mut self) -> bool {
        self.scheduler.tell_refused()
    }

    pub fn is_cut_short(&self) -> bool {
        self.scheduler.is_cut_short()
    }

    pub fn feed(&mut self, number: u64, more: Option<(Bytes, usize)>) {
        self.scheduler.feed(number, more);
    }

    pub fn wake(&mut self, number: u64) {
        self.scheduler.wake(number);
    }

    pub fn finish_cancel(&mut self, number: u64, is_running: bool) {
        self.scheduler.finish_cancel(number, is_running);
    }

    pub fn drain(&mut self, from: u64, most: usize) -> Option<u64> {
        let next = self.scheduler.drain(from, most);
        if self.makes(Bug::DrainsOnce) { None } else { next }
    }

    pub fn end_some(&mut self, most: usize, failure: impl Fn(bool) -> Failure) -> bool {
        self.scheduler.end_some(most, failure)
    }

    pub fn overdue(&mut self, now: Instant, most: &mut usize) -> Option<u64> {
        self.scheduler.overdue(now, most)
    }

    pub fn free(&mut self, most: usize) {
        self.scheduler.free(most);
    }

    pub fn end_overdue(&mut self, number: u64) {
        self.scheduler.end_overdue(number);
    }

    pub fn counts(&self) -> (usize, usize) {
        self.scheduler.counts()
    }

    pub fn begin(&mut self, task: &Task) {
        self.scheduler.begin(task);
    }

    pub fn succeed(&mut self, task: &Task, value: &Bytes) {
        self.scheduler.succeed(task, value);
    }

    pub fn fail(&mut self, task: Task, failure: Failure, now: Instant) {
        self.scheduler.fail(task, failure, now);
    }

    pub fn deliver(&mut self, task: &mut Task, records: RecordRun, now: Instant) {
        self.scheduler.deliver(task, records, now);
    }

    pub fn finish_items(&mut self, task: &Task) {
        self.scheduler.finish_items(task);
    }

    pub fn lose(&mut self, task: Task, has_begun: bool, items_done: u64, failure: Failure, now: Instant) {
        self.scheduler.lose(task, has_begun, items_done, |_| failure, now);
    }
}

fn same(task: &Task) -> Option<Task> {
    let permit = match task.function.state.limit() {
        Some(limit) => Some(limit.acquire(&Arc::from("p"))?),
        None => None,
    };
    Some(Task {
        sequence: task.sequence,
        job: task.job,
        handle: Arc::clone(&task.handle),
        function: Arc::clone(&task.function),
        kind: task.kind,
        tags: task.tags.clone(),
        payload: task.payload.clone(),
        payload_bytes: task.payload_bytes,
        first_item: task.first_item,
        items: task.items,
        deliveries: task.deliveries,
        retries: task.retries,
        has_begun: task.has_begun,
        delivered: task.delivered,
        ahead: task.ahead,
        is_stopped: task.is_stopped,
        cursor: None,
        permit,
    })
}
