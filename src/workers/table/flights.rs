//! Which tasks each worker has: placed, answered, taken back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::checks::HEAD_QUICK;
use super::{Phase, WorkerKey, WorkerSlot, WorkerTable};
use crate::scheduler::{TINY_MAX, Task};

/// Tasks in one flight.
pub(super) const FLIGHT_MAX: usize = 16;
/// Expected time of the tasks in one flight.
const FLIGHT_EXPECTED_MAX: Duration = Duration::from_micros(2_500);

impl<H> WorkerTable<H> {
    /// Whether any worker could take some task now.
    pub fn has_room(&self, now: Instant) -> bool {
        !self.idle.is_empty() || self.slots.iter().flatten().any(|worker| worker.takes_more(now))
    }

    /// The worker that takes this task: an idle one, else one with a quick head if the task is quick and small. A tiny
    /// task goes behind other tiny ones even if a worker is idle: to wake that would take longer.
    pub fn choose(&self, task: &Task, now: Instant) -> Option<WorkerKey> {
        let tiny = if task.is_tiny() { self.shortest_flight(task, now, TINY_MAX) } else { None };
        let idle = tiny.or_else(|| self.idle.last().copied());
        idle.or_else(|| self.shortest_flight(task, now, FLIGHT_EXPECTED_MAX))
    }

    fn shortest_flight(&self, task: &Task, now: Instant, expected_max: Duration) -> Option<WorkerKey> {
        if self.idle.len() == self.ready() {
            return None;
        }
        let expected = task.expected().filter(|_| task.fits_packet())?;
        let fits = |worker: &WorkerSlot<H>| {
            let total = worker.expected.map(|flight| flight + expected);
            !worker.flight.is_empty()
                && worker.takes_more(now)
                && total.is_some_and(|total| total <= expected_max)
        };
        let fitting = self.workers().filter(|(_, worker)| fits(worker));
        fitting.min_by_key(|(_, worker)| worker.flight.len()).map(|(key, _)| key)
    }

    /// Adds a task to the flight of the worker that was chosen for it.
    pub fn place(&mut self, key: WorkerKey, task: Task, now: Instant) {
        if self.idle.last() == Some(&key) {
            self.idle.pop();
        } else {
            self.idle.retain(|idle| *idle != key);
        }
        let Some(worker) = self.slots.get_mut(key.slot).and_then(Option::as_mut) else { return };
        if worker.flight.is_empty() {
            worker.head_since = now;
            worker.next_look = now;
            worker.overrun_from = None;
        } else {
            self.waiting.add(&task);
        }
        let expected = if task.fits_packet() { task.expected() } else { None };
        worker.expected = worker.expected.zip(expected).map(|(flight, task)| flight + task);
        worker.flight.push_back(task);
        self.note_due(key);
    }

    /// Takes the newest task of a flight away again: it could not be written.
    pub fn unplace(&mut self, key: WorkerKey) -> Option<Task> {
        let worker = self.get_mut(key)?;
        let task = worker.flight.pop_back()?;
        let was_behind = !worker.flight.is_empty();
        worker.update_expected();
        if was_behind {
            self.waiting.sub(&task);
        }
        self.list_if_idle(key);
        self.note_due(key);
        Some(task)
    }

    /// A worker answered its head. `None` if that was not its head.
    pub fn answered(&mut self, key: WorkerKey, sequence: u64, now: Instant) -> Option<Task> {
        let worker = self.slots.get_mut(key.slot)?.as_mut().filter(|worker| worker.birth == key.birth)?;
        if worker.flight.front()?.sequence != sequence {
            return None;
        }
        let task = worker.flight.pop_front()?;
        if let Some(head) = worker.flight.front() {
            self.waiting.sub(head);
        }
        worker.head_since = now;
        worker.next_look = now;
        worker.budget = worker.budget.map(|budget| budget.saturating_sub(1));
        worker.overrun_from = None;
        worker.unchecked = true;
        worker.update_expected();
        self.list_if_idle(key);
        self.note_due(key);
        Some(task)
    }

    /// Tasks that were read back from a worker's pipe leave its flight: they are returned, oldest first, and whether
    /// the head was among them.
    pub fn take_back(&mut self, key: WorkerKey, sequences: &[u64]) -> (VecDeque<Task>, bool) {
        let none = (VecDeque::new(), false);
        let Some(worker) = self.slots.get_mut(key.slot).and_then(Option::as_mut) else { return none };
        if sequences.is_empty() || worker.birth != key.birth {
            return none;
        }
        worker.flight.iter().skip(1).for_each(|task| self.waiting.sub(task));
        let head = worker.flight.front().is_some_and(|head| sequences.contains(&head.sequence));
        let (taken, kept) = std::mem::take(&mut worker.flight)
            .into_iter()
            .partition(|task| sequences.contains(&task.sequence));
        worker.flight = kept;
        worker.flight.iter().skip(1).for_each(|task| self.waiting.add(task));
        worker.update_expected();
        self.list_if_idle(key);
        self.note_due(key);
        (taken, head)
    }

    /// The tasks of a worker, head first.
    pub fn flight(&self, key: WorkerKey) -> impl Iterator<Item = &Task> {
        self.get(key).into_iter().flat_map(|worker| &worker.flight)
    }

    /// The same, to change them.
    pub fn flight_mut(&mut self, key: WorkerKey) -> impl Iterator<Item = &mut Task> {
        self.get_mut(key).into_iter().flat_map(|worker| &mut worker.flight)
    }

    /// The head of a flight.
    pub fn head(&self, key: WorkerKey) -> Option<&Task> {
        self.get(key)?.flight.front()
    }

    /// The newest task of a flight, and its worker's handle.
    pub fn newest(&self, key: WorkerKey) -> Option<(&Task, &H)> {
        let worker = self.get(key)?;
        Some((worker.flight.back()?, &worker.handle))
    }

    /// The head, to change it.
    pub fn head_mut(&mut self, key: WorkerKey) -> Option<&mut Task> {
        self.get_mut(key)?.flight.front_mut()
    }

    /// Workers in whose pipes tasks of less than this priority wait.
    pub fn waiting_below(&self, priority: i8) -> Vec<WorkerKey> {
        if !self.waiting.any_below(priority) {
            return Vec::new();
        }
        let is_below = |task: &Task| task.handle.terms.priority < priority;
        let waits = |worker: &WorkerSlot<H>| worker.flight.iter().skip(1).any(is_below);
        self.workers().filter(|(_, worker)| waits(worker)).map(|(key, _)| key).collect()
    }

    /// Workers that have a task of this job.
    pub fn holders(&self, job: u64) -> Vec<WorkerKey> {
        let holds = |worker: &WorkerSlot<H>| worker.flight.iter().any(|task| task.job == job);
        self.workers().filter(|(_, worker)| holds(worker)).map(|(key, _)| key).collect()
    }
}

impl<H> WorkerSlot<H> {
    fn takes_more(&self, now: Instant) -> bool {
        self.phase == Phase::Ready
            && self.flight.len() < FLIGHT_MAX
            && self.budget.is_none_or(|budget| (self.flight.len() as u64) < budget)
            && self.expected.is_some_and(|expected| expected < FLIGHT_EXPECTED_MAX)
            && now.saturating_duration_since(self.head_since) < HEAD_QUICK
    }

    /// The expected time of what is left.
    fn update_expected(&mut self) {
        let expected = |task: &Task| if task.fits_packet() { task.expected() } else { None };
        self.expected = self.flight.iter().map(expected).sum::<Option<Duration>>();
    }
}
