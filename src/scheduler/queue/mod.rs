//! The queue of jobs: higher priority first; within one, the keys take turns, a task each (round robin); within a key,
//! first come, first served.
//!
//! Jobs without a key share one. A job whose task comes back goes to the front of its key.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
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
}

/// The jobs of one priority. Each key in `lines` has one turn and at least one job.
#[derive(Debug, Default)]
struct Level {
    turns: BTreeMap<i64, Option<Arc<str>>>,
    lines: HashMap<Option<Arc<str>>, Line>,
}

#[derive(Debug)]
struct Line {
    turn: i64,
    jobs: VecDeque<u64>,
}

impl Queue {
    /// Queues a new job.
    pub fn push(&mut self, job: u64, place: &Place) {
        self.line(place, false).push_back(job);
        self.length += 1;
    }

    /// Queues a job that has work again, unless it is first or last of its key already.
    pub fn push_once(&mut self, job: u64, place: &Place) {
        let jobs = self.line(place, false);
        if jobs.back() != Some(&job) && jobs.front() != Some(&job) {
            jobs.push_back(job);
            self.length += 1;
        }
    }

    /// Puts a job whose task came back unread first of its priority: its key's turn was not used.
    pub fn push_front(&mut self, job: u64, place: &Place) {
        let jobs = self.line(place, true);
        if jobs.front() != Some(&job) {
            jobs.push_front(job);
            self.length += 1;
        }
    }

    /// Puts a job first of its key; the key's turn stays where it is.
    pub fn push_next(&mut self, job: u64, place: &Place) {
        let jobs = self.line(place, false);
        if jobs.front() != Some(&job) {
            jobs.push_front(job);
            self.length += 1;
        }
    }

    fn line(&mut self, place: &Place, first: bool) -> &mut VecDeque<u64> {
        let level = self.levels.entry(Reverse(place.priority)).or_default();
        &mut level.line(&place.key, first).jobs
    }

    /// The job whose turn it is.
    pub fn front(&self) -> Option<u64> {
        self.levels.first_key_value()?.1.front()
    }

    /// Removes the job in front, which has no work left; its key keeps the turn.
    pub fn pop(&mut self) {
        let Some(mut level) = self.levels.first_entry() else { return };
        if level.get_mut().pop() {
            self.length -= 1;
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
        self.length -= usize::from(job.is_some());
        job
    }

    /// A task of the job in front was handed out: its key's turn is over.
    pub fn turn(&mut self) {
        if let Some(mut level) = self.levels.first_entry() {
            level.get_mut().turn();
        }
    }

    /// Removes the entries of jobs without work, and second ones, once they are many.
    pub fn tidy(&mut self, jobs: usize, has_work: impl Fn(u64) -> bool) {
        if self.length <= 2 * jobs + 1024 {
            return;
        }
        self.levels.retain(|_, level| {
            level.retain(&has_work);
            !level.turns.is_empty()
        });
        let lines = self.levels.values().flat_map(|level| level.lines.values());
        self.length = lines.map(|line| line.jobs.len()).sum();
    }
}

impl Level {
    /// The line of a key. `first`: its turn is next; else it stays, or comes last if the key had none.
    fn line(&mut self, key: &Option<Arc<str>>, first: bool) -> &mut Line {
        let turn = match self.lines.get(key) {
            Some(line) if !first => line.turn,
            Some(line) => {
                self.turns.remove(&line.turn);
                self.before_all()
            }
            None if first => self.before_all(),
            None => self.behind_all(),
        };
        self.turns.entry(turn).or_insert_with(|| key.clone());
        let line = self.lines.entry(key.clone()).or_insert_with(|| Line { turn, jobs: VecDeque::new() });
        line.turn = turn;
        line
    }

    fn before_all(&self) -> i64 {
        self.turns.first_key_value().map_or(0, |(turn, _)| turn - 1)
    }

    fn behind_all(&self) -> i64 {
        self.turns.last_key_value().map_or(0, |(turn, _)| turn + 1)
    }

    fn front(&self) -> Option<u64> {
        let (_, key) = self.turns.first_key_value()?;
        self.lines.get(key)?.jobs.front().copied()
    }

    fn pop(&mut self) -> bool {
        let Some(first) = self.turns.first_entry() else { return false };
        let Some(line) = self.lines.get_mut(first.get()) else { return false };
        let popped = line.jobs.pop_front().is_some();
        if line.jobs.is_empty() {
            let key = first.remove();
            self.lines.remove(&key);
        }
        popped
    }

    fn take(&mut self) -> Option<u64> {
        let job = self.front()?;
        let key = self.turns.first_key_value()?.1.clone();
        self.pop();
        if self.lines.contains_key(&key) {
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
        if let Some(line) = self.lines.get_mut(&key) {
            line.turn = behind;
            self.turns.insert(behind, key);
        }
    }

    /// Keeps the first entry of each job that has work.
    fn retain(&mut self, has_work: impl Fn(u64) -> bool) {
        let mut seen = HashSet::new();
        self.lines.retain(|_, line| {
            line.jobs.retain(|job| has_work(*job) && seen.insert(*job));
            !line.jobs.is_empty()
        });
        self.turns.retain(|_, key| self.lines.contains_key(key));
    }
}

#[cfg(test)]
mod tests;
