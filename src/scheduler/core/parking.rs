//! Handing out in turn. Jobs whose function may not run now are parked, in their order, so that the others go on: the
//! function is quarantined (see [`super::super::quarantine`]), or has as many tasks running as it may
//! (see [`super::super::limit`]).

use std::sync::Arc;
use std::time::Instant;

use super::super::callable::Callable;
use super::super::job::ActiveJob;
use super::super::queue::Queue;
use super::super::task::Task;
use super::Scheduler;
use crate::jobs::{JobEvent, Room};

/// Jobs that are parked, or have no work, in one round.
const SKIPPED_AT_ONCE_MAX: usize = if cfg!(test) { 4 } else { 1_000 };

/// What was done in a round of hand-out besides handing out.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Jobs in front that were parked, or had no work.
    skipped: usize,
    /// More parked jobs may run.
    has_more_parked: bool,
}

/// Jobs of one function that are unparked at once. (Tests are small and must meet it.)
const UNPARKED_AT_ONCE_MAX: usize = if cfg!(test) { 2 } else { 500 };

/// Jobs of one function that wait until it may run.
#[derive(Debug)]
pub(super) struct Parked {
    function: Arc<Callable>,
    queue: Queue,
    /// It was quarantined: afterwards all of them are queued again in their order, behind those that came meanwhile.
    was_quarantined: bool,
}

impl Parked {
    fn of(function: &Arc<Callable>) -> Self {
        Self { function: Arc::clone(function), queue: Queue::default(), was_quarantined: false }
    }

    /// How many tasks of the function may be handed out now.
    fn free(&self, now: Instant) -> usize {
        match self.function.state.limit() {
            _ if self.function.state.quarantined_until(now).is_some() => 0,
            Some(limit) => limit.free(),
            None => usize::MAX,
        }
    }

    pub fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }
}

impl Scheduler {
    /// Whether a job is queued. (It may have no work.)
    pub fn has_queued(&self) -> bool {
        self.queue.front().is_some() || !self.streams.is_empty()
    }

    /// Whether any job is parked.
    pub fn has_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// The next task, and where it goes. `choose` says which worker would take it; `None` if none would: then nothing
    /// is handed out. Called until it returns `None`, after [`Scheduler::start_round`] and [`Scheduler::unpark`].
    pub fn next_task<W>(
        &mut self,
        now: Instant,
        mut choose: impl FnMut(&Task) -> Option<W>,
    ) -> Option<(Task, W)> {
        let room = self.room();
        if room != Room::Free {
            return self.next_despite(room, now, choose);
        }
        // What is still parked may have a higher priority.
        while !self.round.has_more_parked
            && self.round.skipped < SKIPPED_AT_ONCE_MAX
            && let Some(number) = self.queue.front()
        {
            if self.park(number, now) {
                self.round.skipped += 1;
                continue;
            }
            let Some(mut task) = self.jobs.get_mut(&number).and_then(|job| job.next_task()) else {
                self.queue.pop();
                self.round.skipped += 1;
                continue;
            };
            let Some(worker) = choose(&task) else {
                self.give_back(task);
                return None;
            };
            if let Some(limit) = task.function.state.limit() {
                task.permit = limit.acquire(&self.pool);
                if task.permit.is_none() {
                    // Another pool took the last one just now.
                    self.give_back(task);
                    continue;
                }
            }
            self.end_turn(number);
            return Some((task, worker));
        }
        None
    }

    /// A task of the job in front is handed out: the next key has its turn.
    fn end_turn(&mut self, number: u64) {
        if self.jobs.get(&number).is_some_and(|job| job.has_waiting()) {
            self.queue.turn();
        } else {
            self.queue.take();
        }
    }

    /// Parks the job in front if its function may not run now. `true`: it did, and another job is in front.
    fn park(&mut self, number: u64, now: Instant) -> bool {
        let Some(job) = self.jobs.get_mut(&number) else { return false };
        let is_quarantined = job.function().state.quarantined_until(now).is_some();
        let is_full = job.function().state.limit().is_some_and(|limit| limit.free() == 0);
        if !is_quarantined && !is_full {
            return false;
        }
        let (function, place) = (Arc::clone(job.function()), job.place());
        let (again, already) = (job.was_parked, job.is_parked);
        (job.was_parked, job.is_parked) = (true, true);
        self.queue.pop();
        let parked = self.parked.entry(Arc::clone(function.name())).or_insert_with(|| Parked::of(&function));
        parked.was_quarantined |= is_quarantined;
        if already {
            return true;
        }
        if again {
            parked.queue.push_next(number, &place);
        } else {
            parked.queue.push(number, &place);
        }
        if let Some(limit) = function.state.limit().filter(|_| is_full) {
            limit.wait(&self.pool, &self.waker);
            if limit.free() > 0 {
                self.waker.wake_by_ref();
            }
        }
        true
    }

    /// A round of hand-out begins.
    pub fn start_round(&mut self) {
        self.round = Round::default();
        // Whoever is passed over for it in this round is noted again.
        self.held_back.until = None;
    }

    /// Whether the last round was cut short: another should follow at once.
    pub fn is_cut_short(&self) -> bool {
        self.round.skipped >= SKIPPED_AT_ONCE_MAX || self.round.has_more_parked
    }

    /// Queues as many parked jobs as may run now, some of them if they are many. Called in each round of hand-out in
    /// which a worker is free.
    pub fn unpark(&mut self, now: Instant) {
        for parked in self.parked.values_mut() {
            let mut unparked = Vec::new();
            // A limit bounds them already, and its first come first.
            let most =
                if parked.function.state.limit().is_some() { usize::MAX } else { UNPARKED_AT_ONCE_MAX };
            loop {
                while unparked.len() < parked.free(now).min(most)
                    && let Some(number) = parked.queue.take()
                {
                    let Some(job) = self.jobs.get_mut(&number) else { continue };
                    // It stands here twice if a task of it came back.
                    if !std::mem::take(&mut job.is_parked) {
                        continue;
                    }
                    // After a quarantine, a job that is parked again goes behind those that stand there.
                    job.was_parked = !parked.was_quarantined;
                    // One without work would keep a permit from the next. It is queued once it has some again.
                    if !job.is_ready() {
                        continue;
                    }
                    unparked.push((number, job.place()));
                }
                if parked.queue.front().is_none() {
                    break;
                }
                // The rest wait for the next permit; one that was released meanwhile is taken now.
                if let Some(limit) = parked.function.state.limit() {
                    limit.wait(&self.pool, &self.waker);
                }
                if unparked.len() >= parked.free(now).min(most) {
                    break;
                }
            }
            let is_cut = unparked.len() < parked.free(now) && parked.queue.front().is_some();
            self.round.has_more_parked |= is_cut;
            let was_quarantined = parked.was_quarantined;
            parked.was_quarantined &= is_cut || parked.function.state.quarantined_until(now).is_some();
            if was_quarantined {
                unparked.iter().for_each(|(number, place)| self.queue.push(*number, place));
            } else {
                unparked.iter().rev().for_each(|(number, place)| self.queue.push_next(*number, place));
            }
        }
        self.parked.retain(|_, parked| parked.queue.front().is_some());
    }

    /// When the first quarantine with parked jobs ends.
    pub(super) fn next_unpark(&self, now: Instant) -> Option<Instant> {
        self.parked.values().filter_map(|parked| parked.function.state.quarantined_until(now)).min()
    }

    /// A task that could not be written goes back to the front of the queue.
    pub fn give_back(&mut self, task: Task) {
        if let Some(job) = self.return_task(task) {
            let (number, place) = (job.handle.number, job.place());
            self.queue.push_front(number, &place);
        }
    }

    /// A task that its worker had not read goes back, before those of its function that are parked.
    pub fn take_back(&mut self, task: Task) {
        if !self.parked.contains_key(task.function.name()) {
            return self.give_back(task);
        }
        let function = Arc::clone(&task.function);
        let Some(job) = self.return_task(task) else { return };
        (job.was_parked, job.is_parked) = (true, true);
        let (number, place) = (job.handle.number, job.place());
        if let Some(parked) = self.parked.get_mut(function.name()) {
            parked.queue.push_front(number, &place);
        }
    }

    /// A task whose retry is due is queued, first of its key.
    pub(super) fn queue_retry(&mut self, task: Task) {
        if let Some(job) = self.return_task(task) {
            let (number, place) = (job.handle.number, job.place());
            self.queue.push_next(number, &place);
        }
    }

    /// A task waits with its job again; `None` if the job has ended.
    pub(super) fn return_task(&mut self, task: Task) -> Option<&mut ActiveJob> {
        let number = task.job;
        let job = self.jobs.get_mut(&number)?;
        if job.give_back(task) {
            self.running -= 1;
            self.events.push(&job.handle, JobEvent::Unstarted);
        }
        if job.is_cancelled() {
            self.conclude(number);
            return None;
        }
        self.jobs.get_mut(&number).map(|job| &mut **job)
    }
}
