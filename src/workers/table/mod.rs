//! The workers of a pool: each one's phase, the tasks in its flight, and its handle. No I/O; the time is an argument.
//!
//! A flight's front is its head: the only task that can have started. Those behind it lie in the worker's pipe.

mod checks;
mod due;
mod flights;
mod priorities;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::scheduler::Task;
use due::Due;
use priorities::PriorityCounts;

/// A worker: its slot, and a number that no other worker of the pool ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerKey {
    slot: usize,
    birth: u64,
}

/// How far a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Being forked, or booting; until when it must be ready.
    Starting(Instant),
    /// Takes tasks.
    Ready,
    /// Ready, but gets no tasks until it takes the place of a worker that does.
    Spare,
    /// Did not read its tasks: pinged, and killed if it has not answered by then.
    Silent(Instant),
    /// Ends what it runs and gets no more tasks.
    Leaving,
    /// Killed; its death will be reported.
    Ending,
}

#[derive(Debug)]
struct WorkerSlot<H> {
    birth: u64,
    phase: Phase,
    flight: VecDeque<Task>,
    /// Expected time of the flight; `None`: it holds a task that must go alone.
    expected: Option<Duration>,
    head_since: Instant,
    /// The pipe was checked; not again before this.
    next_look: Instant,
    /// Tasks that it may still run, those in its flight included.
    budget: Option<u64>,
    /// The head's time is over, but it was not clear which task runs: checked again then.
    overrun_from: Option<Instant>,
    /// It has run a task and was not asked since to check what that has left.
    unchecked: bool,
    handle: H,
}

/// The workers of a pool, each with a handle.
#[derive(Debug)]
pub(crate) struct WorkerTable<H> {
    slots: Vec<Option<WorkerSlot<H>>>,
    births: u64,
    /// Ready and without tasks. The last to have worked is the first to work again: its memory is in the caches.
    idle: Vec<WorkerKey>,
    /// Spares, the oldest first.
    spares: Vec<WorkerKey>,
    /// Workers by phase.
    phases: [usize; Phase::COUNT],
    /// Tasks behind heads.
    waiting: PriorityCounts,
    /// Whether workers check what tasks have left.
    checks_leftovers: bool,
    due: Due,
}

impl Phase {
    const COUNT: usize = 6;

    fn index(self) -> usize {
        match self {
            Self::Starting(_) => 0,
            Self::Ready => 1,
            Self::Spare => 2,
            Self::Silent(_) => 3,
            Self::Leaving => 4,
            Self::Ending => 5,
        }
    }
}

impl<H> WorkerTable<H> {
    /// Without workers. `checks_leftovers`: whether they check what tasks have left.
    pub fn new(checks_leftovers: bool) -> Self {
        Self {
            slots: Vec::new(),
            births: 0,
            idle: Vec::new(),
            spares: Vec::new(),
            phases: [0; Phase::COUNT],
            waiting: PriorityCounts::default(),
            checks_leftovers,
            due: Due::default(),
        }
    }

    /// Adds a worker that is being forked. `budget`: how many tasks it may run.
    pub fn add(&mut self, now: Instant, boot_deadline: Instant, budget: Option<u64>, handle: H) -> WorkerKey {
        self.births += 1;
        let phase = Phase::Starting(boot_deadline);
        let worker = WorkerSlot {
            birth: self.births,
            phase,
            flight: VecDeque::new(),
            expected: Some(Duration::ZERO),
            head_since: now,
            next_look: now,
            budget,
            overrun_from: None,
            unchecked: false,
            handle,
        };
        self.phases[phase.index()] += 1;
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(worker);
        let key = WorkerKey { slot, birth: self.births };
        self.note_due(key);
        key
    }

    /// Removes a worker; its tasks come back, head first.
    pub fn remove(&mut self, key: WorkerKey) -> Option<(Phase, VecDeque<Task>, H)> {
        self.get(key)?;
        self.unlist(key);
        let worker = self.slots[key.slot].take()?;
        self.phases[worker.phase.index()] -= 1;
        worker.flight.iter().skip(1).for_each(|task| self.waiting.sub(task));
        Some((worker.phase, worker.flight, worker.handle))
    }

    fn get(&self, key: WorkerKey) -> Option<&WorkerSlot<H>> {
        self.slots.get(key.slot)?.as_ref().filter(|worker| worker.birth == key.birth)
    }

    fn get_mut(&mut self, key: WorkerKey) -> Option<&mut WorkerSlot<H>> {
        self.slots.get_mut(key.slot)?.as_mut().filter(|worker| worker.birth == key.birth)
    }

    fn workers(&self) -> impl Iterator<Item = (WorkerKey, &WorkerSlot<H>)> {
        self.slots.iter().enumerate().filter_map(|(slot, worker)| {
            let worker = worker.as_ref()?;
            Some((WorkerKey { slot, birth: worker.birth }, worker))
        })
    }

    /// All workers.
    pub fn keys(&self) -> impl Iterator<Item = WorkerKey> {
        self.workers().map(|(key, _)| key)
    }

    /// What the server holds of a worker.
    pub fn handle(&self, key: WorkerKey) -> Option<&H> {
        Some(&self.get(key)?.handle)
    }

    /// The same, to change it.
    pub fn handle_mut(&mut self, key: WorkerKey) -> Option<&mut H> {
        Some(&mut self.get_mut(key)?.handle)
    }

    /// How far a worker is.
    pub fn phase(&self, key: WorkerKey) -> Option<Phase> {
        Some(self.get(key)?.phase)
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.phases.iter().all(|count| *count == 0)
    }

    /// Workers that take tasks, or will.
    pub fn alive(&self) -> usize {
        let [starting, ready, spare, silent, _, _] = self.phases;
        starting + ready + spare + silent
    }

    /// Workers that take tasks.
    pub fn ready(&self) -> usize {
        let [_, ready, _, _, _, _] = self.phases;
        ready
    }

    /// Workers that take tasks, or were pinged.
    pub fn serving(&self) -> usize {
        let [_, ready, _, silent, _, _] = self.phases;
        ready + silent
    }

    /// Whether there is a spare.
    pub fn has_spare(&self) -> bool {
        !self.spares.is_empty()
    }

    /// A worker is ready as a spare.
    pub fn set_spare(&mut self, key: WorkerKey) {
        if self.set_phase(key, Phase::Spare).is_some() {
            self.spares.push(key);
        }
    }

    /// The oldest spare takes tasks from now on.
    pub fn promote_spare(&mut self) {
        if !self.spares.is_empty() {
            let key = self.spares.remove(0);
            self.set_ready(key);
        }
    }

    /// A worker is ready for tasks.
    pub fn set_ready(&mut self, key: WorkerKey) {
        if self.set_phase(key, Phase::Ready).is_some() {
            self.list_if_idle(key);
        }
    }

    /// A worker takes no tasks from now on.
    pub fn set_unready(&mut self, key: WorkerKey, phase: Phase) {
        if self.set_phase(key, phase).is_some() {
            self.unlist(key);
        }
    }

    fn set_phase(&mut self, key: WorkerKey, phase: Phase) -> Option<()> {
        let worker = self.get_mut(key)?;
        let before = std::mem::replace(&mut worker.phase, phase);
        self.phases[before.index()] -= 1;
        self.phases[phase.index()] += 1;
        self.note_due(key);
        Some(())
    }

    fn list_if_idle(&mut self, key: WorkerKey) {
        let is_idle =
            self.get(key).is_some_and(|worker| worker.phase == Phase::Ready && worker.flight.is_empty());
        if is_idle && !self.idle.contains(&key) {
            self.idle.push(key);
        }
    }

    fn unlist(&mut self, key: WorkerKey) {
        self.idle.retain(|idle| *idle != key);
        self.spares.retain(|spare| *spare != key);
    }

    /// Whether a worker has run all the tasks that it may.
    pub fn is_spent(&self, key: WorkerKey) -> bool {
        self.get(key).is_some_and(|worker| worker.budget == Some(0))
    }

    /// So many workers that take tasks, those first that lose least: silent, idle, then with the shortest flights.
    pub fn most_dispensable_serving(&self, count: usize) -> Vec<WorkerKey> {
        self.most_dispensable(count, |phase| matches!(phase, Phase::Ready | Phase::Silent(_)))
    }

    /// So many of the others: those that are starting, then spares.
    pub fn most_dispensable_others(&self, count: usize) -> Vec<WorkerKey> {
        self.most_dispensable(count, |phase| matches!(phase, Phase::Starting(_) | Phase::Spare))
    }

    fn most_dispensable(&self, count: usize, is_candidate: impl Fn(Phase) -> bool) -> Vec<WorkerKey> {
        if count == 0 {
            return Vec::new();
        }
        let cost = |worker: &WorkerSlot<H>| {
            (matches!(worker.phase, Phase::Ready | Phase::Spare), worker.flight.len())
        };
        let candidates = self.workers().filter(|(_, worker)| is_candidate(worker.phase));
        let mut costs: Vec<_> = candidates.map(|(key, worker)| (cost(worker), key)).collect();
        costs.sort_by_key(|(cost, _)| *cost);
        costs.truncate(count);
        costs.into_iter().map(|(_, key)| key).collect()
    }
}
