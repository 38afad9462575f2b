//! Before when no worker has to be checked: most turns need not look at any.
//!
//! Bounds alone, so that a worker that works costs no search: each change of one lowers them at most. They are made
//! exact where something is due.

use std::time::Instant;

use super::checks::{HEAD_QUICK, HEAD_UNREAD};
use super::{WorkerKey, WorkerSlot, WorkerTable};

/// No check is due before.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// While no worker is idle.
    busy: Option<Instant>,
    /// While one is: then heads are checked sooner.
    idle: Option<Instant>,
}

impl Due {
    fn lower(&mut self, other: &Self) {
        let lower = |bound: &mut Option<Instant>, at: Option<Instant>| {
            *bound = bound.iter().chain(&at).min().copied();
        };
        lower(&mut self.busy, other.busy);
        lower(&mut self.idle, other.idle);
    }
}

impl<H> WorkerSlot<H> {
    fn due(&self, checks_leftovers: bool) -> Due {
        let any = self.deadline().into_iter().chain(self.overrun_at()).min();
        let with = |check: Option<Instant>| any.into_iter().chain(check).min();
        Due {
            busy: with(self.check_at(checks_leftovers, HEAD_UNREAD)),
            idle: with(self.check_at(checks_leftovers, HEAD_QUICK)),
        }
    }
}

impl<H> WorkerTable<H> {
    /// A worker has changed.
    pub(super) fn note_due(&mut self, key: WorkerKey) {
        if let Some(due) = self.get(key).map(|worker| worker.due(self.checks_leftovers)) {
            self.due.lower(&due);
        }
    }

    /// A worker for which `is_due` is true. Nobody is asked before something can be due.
    pub(super) fn find_due(
        &self,
        now: Instant,
        is_due: impl Fn(&WorkerSlot<H>) -> bool,
    ) -> Option<WorkerKey> {
        self.next_check().filter(|at| *at <= now)?;
        self.workers().find(|(_, worker)| is_due(worker)).map(|(key, _)| key)
    }

    /// All that was due has been dealt with: when the next of them is, exactly.
    pub fn checked(&mut self, now: Instant) {
        if self.next_check().is_some_and(|at| at <= now) {
            self.due = self.exact();
        }
    }

    /// When the next check is due, or earlier.
    pub fn next_check(&self) -> Option<Instant> {
        let next = |due: &Due| if self.idle.is_empty() { due.busy } else { due.idle };
        let bound = next(&self.due);
        debug_assert!(
            next(&self.exact()).is_none_or(|exact| bound.is_some_and(|bound| bound <= exact)),
            "a check would come too late"
        );
        bound
    }

    fn exact(&self) -> Due {
        let mut due = Due::default();
        self.slots.iter().flatten().for_each(|worker| due.lower(&worker.due(self.checks_leftovers)));
        due
    }
}
