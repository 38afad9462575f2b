//! The queue of jobs: higher priority first; within one, the keys take turns, a task each (round robin); within a key,
//! first come, first served.
//!
//! Jobs without a key share one. A job whose task comes back goes to the front of its key.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// A job's place: its priority, and its client's key if it gave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub priority: i8,
    pub key: Option<Arc<str>>,
}

/// Job numbers in order. Entries of jobs without work are not removed at once: whoever takes one checks.
#[derive(Debug, Default)]
pub(super) struct Queue {
    levels: BTreeMap<Reverse<i8>, Level>,
    length: usize,
    sweep: Option<Sweep>,
}

/// A priority and a client's key.
type QueueKey = (Reverse<i8>, Option<Arc<str>>);

/// The removal of entries of jobs without work, and of second ones, a few at a time.
#[derive(Debug)]
struct Sweep {
    /// The queue that is being swept: those before it are, those behind it will be.
    at: QueueKey,
    /// Jobs that stand in its swept part.
    seen: HashSet<u64>,
}

impl Sweep {
    fn of(at: QueueKey) -> Self {
        Self { at, seen: HashSet::new() }
    }
}

/// So many entries more than there are jobs are few. (Tests are small and must meet a sweep.)
const SPARE_ENTRIES: usize = if cfg!(test) { 8 } else { 1_024 };
/// Entries that are swept when a job ends.
const SWEPT_AT_ONCE: usize = if cfg!(test) { 4 } else { 64 };

/// The jobs of one priority. Each key in `by_key` has one turn and at least one job.
#[derive(Debug, Default)]
struct Level {
    turns: BTreeMap<i64, Option<Arc<str>>>,
    by_key: BTreeMap<Option<Arc<str>>, KeyQueue>,
}

#[derive(Debug)]
struct KeyQueue {
    turn: i64,
    /// The front of the queue while it is being swept: what was kept.
    swept: VecDeque<u64>,
    jobs: VecDeque<u64>,
}

impl KeyQueue {
    fn front(&self) -> Option<u64> {
        self.swept.front().or(self.jobs.front()).copied()
    }

    fn back(&self) -> Option<u64> {
        self.jobs.back().or(self.swept.back()).copied()
    }

    fn push_front(&mut self, job: u64) {
        let part = if self.swept.is_empty() { &mut self.jobs } else { &mut self.swept };
        part.push_front(job);
    }

    fn pop_front(&mut self) -> Option<u64> {
        self.swept.pop_front().or_else(|| self.jobs.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.swept.is_empty() && self.jobs.is_empty()
    }
}

impl Queue {
    /// Queues a new job.
    pub fn push(&mut self, job: u64, place: &Place) {
        self.key_queue(place, false).jobs.push_back(job);
        self.length += 1;
    }

    /// Queues a job that has work again, unless it is first or last of its key already.
    pub fn push_once(&mut self, job: u64, place: &Place) {
        let queue = self.key_queue(place, false);
        if queue.back() != Some(job) && queue.front() != Some(job) {
            queue.jobs.push_back(job);
            self.length += 1;
        }
    }

    /// Puts a job whose task came back unread first of its priority: its key's turn was not used.
    pub fn push_front(&mut self, job: u64, place: &Place) {
        let queue = self.key_queue(place, true);
        if queue.front() != Some(job) {
            queue.push_front(job);
            self.length += 1;
        }
    }

    /// Puts a job first of its key; the key's turn stays where it is.
    pub fn push_next(&mut self, job: u64, place: &Place) {
        let queue = self.key_queue(place, false);
        if queue.front() != Some(job) {
            queue.push_front(job);
            self.length += 1;
        }
    }

    fn key_queue(&mut self, place: &Place, first: bool) -> &mut KeyQueue {
        let level = self.levels.entry(Reverse(place.priority)).or_default();
        level.key_queue(&place.key, first)
    }

    /// The job whose turn it is.
    pub fn front(&self) -> Option<u64> {
        self.levels.first_key_value()?.1.front()
    }

    /// Removes the job in front, which has no work left; its key keeps the turn.
    pub fn pop(&mut self) {
        let Some(mut level) = self.levels.first_entry() else { return };
        if let Some(job) = level.get_mut().pop() {
            self.length -= 1;
            forget(&mut self.sweep, job);
        }
        if level.get().turns.is_empty() {
            level.remove();
        }
    }

    /// Removes the job in front; its key's turn is over.
    pub fn take(&mut self) -> Option<u64> {
        let mut level = self.levels.first_entry()?;
        let job = level.get_mut().take();
        if level.get().turns.is_empty() {
            level.remove();
        }
        if let Some(job) = job {
            self.length -= 1;
            forget(&mut self.sweep, job);
        }
        job
    }

    /// A task of the job in front was handed out: its key's turn is over.
    pub fn turn(&mut self) {
        if let Some(mut level) = self.levels.first_entry() {
            level.get_mut().turn();
        }
    }

    /// Removes some of the entries of jobs without work, and of second ones, once they are many.
    pub fn tidy(&mut self, jobs: usize, has_work: impl Fn(u64) -> bool) {
        if self.sweep.is_none() {
            if self.length <= 2 * jobs + SPARE_ENTRIES {
                return;
            }
            self.sweep = self.queue_after(None).map(Sweep::of);
        }
        let mut left = SWEPT_AT_ONCE;
        while left > 0
            && let Some(sweep) = &mut self.sweep
        {
            let Sweep { at, seen } = sweep;
            let (priority, key) = &*at;
            let keeps = |job| has_work(job) && seen.insert(job);
            let level = self.levels.get_mut(priority);
            // A queue that has gone meanwhile counts, too.
            let (examined, removed, is_done) =
                level.map_or((1, 0, true), |level| level.sweep(key, left, keeps));
            left -= examined;
            self.length -= removed;
            if is_done {
                if self.levels.get(priority).is_some_and(|level| level.turns.is_empty()) {
                    self.levels.remove(priority);
                }
                let at = at.clone();
                self.sweep = self.queue_after(Some(&at)).map(Sweep::of);
            }
        }
    }

    /// The queue that follows this one; without one, the first of all.
    fn queue_after(&self, at: Option<&QueueKey>) -> Option<QueueKey> {
        let first = |(priority, level): (&Reverse<i8>, &Level)| {
            level.by_key.keys().next().map(|key| (*priority, key.clone()))
        };
        let Some((priority, key)) = at else { return self.levels.iter().find_map(first) };
        let level = self.levels.get(priority);
        let next =
            level.and_then(|level| level.by_key.range((Bound::Excluded(key), Bound::Unbounded)).next());
        let next = next.map(|(key, _)| (*priority, key.clone()));
        next.or_else(|| self.levels.range((Bound::Excluded(priority), Bound::Unbounded)).find_map(first))
    }
}

/// An entry has gone: a later one of its job is no second one any more.
fn forget(sweep: &mut Option<Sweep>, job: u64) {
    if let Some(sweep) = sweep {
        sweep.seen.remove(&job);
    }
}

impl Level {
    /// The queue of a key. `first`: its turn is next; else it stays, or comes last if the key had none.
    fn key_queue(&mut self, key: &Option<Arc<str>>, first: bool) -> &mut KeyQueue {
        let turn = match self.by_key.get(key) {
            Some(queue) if !first => queue.turn,
            Some(queue) => {
                self.turns.remove(&queue.turn);
                self.before_all()
            }
            None if first => self.before_all(),
            None => self.behind_all(),
        };
        self.turns.entry(turn).or_insert_with(|| key.clone());
        let queue = self.by_key.entry(key.clone()).or_insert_with(|| KeyQueue {
            turn,
            swept: VecDeque::new(),
            jobs: VecDeque::new(),
        });
        queue.turn = turn;
        queue
    }

    fn before_all(&self) -> i64 {
        self.turns.first_key_value().map_or(0, |(turn, _)| turn - 1)
    }

    fn behind_all(&self) -> i64 {
        self.turns.last_key_value().map_or(0, |(turn, _)| turn + 1)
    }

    fn front(&self) -> Option<u64> {
        let (_, key) = self.turns.first_key_value()?;
        self.by_key.get(key)?.front()
    }

    fn pop(&mut self) -> Option<u64> {
        let first = self.turns.first_entry()?;
        let queue = self.by_key.get_mut(first.get())?;
        let popped = queue.pop_front();
        if queue.is_empty() {
            let key = first.remove();
            self.by_key.remove(&key);
        }
        popped
    }

    fn take(&mut self) -> Option<u64> {
        let job = self.front()?;
        let key = self.turns.first_key_value()?.1.clone();
        self.pop();
        if self.by_key.contains_key(&key) {
            self.turn();
        }
        Some(job)
    }

    fn turn(&mut self) {
        if self.turns.len() < 2 {
            return;
        }
        let behind = self.behind_all();
        let Some((_, key)) = self.turns.pop_first() else { return };
        if let Some(queue) = self.by_key.get_mut(&key) {
            queue.turn = behind;
            self.turns.insert(behind, key);
        }
    }

    /// Keeps of the next `most` entries of a queue those that are to be kept: how many it looked at (1 at least) and
    /// removed, and whether those were the last.
    fn sweep(
        &mut self,
        key: &Option<Arc<str>>,
        most: usize,
        mut keeps: impl FnMut(u64) -> bool,
    ) -> (usize, usize, bool) {
        let Some(queue) = self.by_key.get_mut(key) else { return (1, 0, true) };
        let (mut examined, mut removed) = (0, 0);
        while examined < most
            && let Some(job) = queue.jobs.pop_front()
        {
            examined += 1;
            if keeps(job) {
                queue.swept.push_back(job);
            } else {
                removed += 1;
            }
        }
        let is_done = queue.jobs.is_empty();
        if is_done {
            queue.jobs = std::mem::take(&mut queue.swept);
        }
        if queue.is_empty() {
            self.turns.remove(&queue.turn);
            self.by_key.remove(key);
        }
        (examined.max(1), removed, is_done)
    }
}

#[cfg(test)]
mod tests;
