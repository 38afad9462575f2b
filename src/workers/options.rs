//! The options of a pool besides its size, and why its workers did not become ready.

use crate::jobs::Exception;
use crate::process::{Initializer, Preload};

/// The options of a pool besides its size.
#[derive(Debug, Clone, Default)]
pub struct PoolOptions {
    /// Run in each worker before its first task.
    pub initializer: Option<Initializer>,
    /// Tasks that a worker runs before another takes its place.
    pub maxtasksperchild: Option<u64>,
    /// Up to so many more, drawn at random for each worker, so that not all are replaced at once.
    pub maxtasksperchild_jitter: u64,
    /// Resident memory that a worker may have, in bytes.
    pub max_rss: Option<u64>,
    /// What of the code is loaded before its workers are forked.
    pub preload: Preload,
    /// Workers kept ready beyond those that take tasks. If left out: one if workers load code themselves, else none.
    pub spare_workers: Option<usize>,
    /// Whether a worker is kept in which a task has left threads.
    pub keep_threads: bool,
}

/// Why workers can't become ready, however often they are started.
#[derive(Debug, Clone)]
pub struct BootFailure {
    /// What kind of failure.
    pub reason: BootReason,
    /// The reason, in words.
    pub detail: String,
    /// What the initializer raised.
    pub exception: Option<Exception>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootReason {
    /// The initializer raised, ended its worker, or did not end in time.
    Initializer,
    /// The code could not be loaded, in a worker or for it.
    Loading,
    /// A worker holds more than `max_rss` before its first task.
    Memory,
}

impl PoolOptions {
    /// How many tasks a new worker may run.
    pub(super) fn budget(&self) -> Option<u64> {
        let tasks = self.maxtasksperchild?;
        let more = match self.maxtasksperchild_jitter {
            0 => 0,
            most => noise() % most.saturating_add(1),
        };
        Some(tasks.saturating_add(more))
    }
}

/// A random number, from what the standard library seeds its hash maps with.
fn noise() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_lies_between_the_limit_and_its_jitter() {
        let options = |jitter| PoolOptions {
            maxtasksperchild: Some(10),
            maxtasksperchild_jitter: jitter,
            ..PoolOptions::default()
        };
        assert_eq!(options(0).budget(), Some(10));
        let drawn: std::collections::BTreeSet<_> = (0..200).filter_map(|_| options(3).budget()).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [10, 11, 12, 13]);
        assert_eq!(PoolOptions::default().budget(), None);
        assert!(options(u64::MAX).budget() >= Some(10));
    }
}
