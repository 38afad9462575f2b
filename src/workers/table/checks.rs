//! When a worker is to be checked: its head is old, its time is over, or it gives no sign of life.

use std::time::{Duration, Instant};

use super::{Phase, WorkerKey, WorkerSlot, WorkerTable};

/// After so long a head's pipe is checked if a worker is idle: it could run what waits there.
pub(super) const HEAD_QUICK: Duration = Duration::from_millis(5);
/// After so long it is checked in any case: the head should have been read.
pub(super) const HEAD_UNREAD: Duration = Duration::from_secs(1);
/// A worker that is idle for so long after a task checks what that has left. (With a shorter time, one that works now
/// and then would do so while others work.)
const LEFTOVERS_AFTER: Duration = Duration::from_millis(10);
/// From one check of a worker's pipe to the next.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl<H> WorkerTable<H> {
    /// A worker to be checked now: its head is old, or it is idle and has not checked yet what its last task has left.
    /// It is not returned again for a while.
    pub fn take_check(&mut self, now: Instant) -> Option<WorkerKey> {
        let (checks_leftovers, patience) = (self.checks_leftovers, self.patience());
        let is_due =
            |worker: &WorkerSlot<H>| worker.check_at(checks_leftovers, patience).is_some_and(|at| at <= now);
        let key = self.find_due(now, is_due)?;
        self.get_mut(key)?.next_look = now + LOOK_AGAIN;
        Some(key)
    }

    fn patience(&self) -> Duration {
        if self.idle.is_empty() { HEAD_UNREAD } else { HEAD_QUICK }
    }

    /// Whether a worker is idle and was not asked since its last task to check what that has left; it is now.
    pub fn take_leftovers_check(&mut self, key: WorkerKey) -> bool {
        let checks = self.checks_leftovers;
        let is_idle =
            |worker: &&mut WorkerSlot<H>| checks && worker.phase == Phase::Ready && worker.flight.is_empty();
        self.get_mut(key).filter(is_idle).is_some_and(|worker| std::mem::take(&mut worker.unchecked))
    }

    /// How long a worker's head has been that.
    pub fn head_age(&self, key: WorkerKey, now: Instant) -> Duration {
        self.get(key).map_or(Duration::ZERO, |worker| now.saturating_duration_since(worker.head_since))
    }

    /// A worker whose head has run for longer than it may.
    pub fn overrun(&self, now: Instant) -> Option<WorkerKey> {
        let is_over = |worker: &WorkerSlot<H>| worker.overrun_at().is_some_and(|at| at <= now);
        self.find_due(now, is_over)
    }

    /// Its head is checked again then.
    pub fn check_overrun_at(&mut self, key: WorkerKey, at: Instant) {
        if let Some(worker) = self.get_mut(key) {
            worker.overrun_from = Some(at);
        }
        self.note_due(key);
    }

    /// A worker that did not become ready, or did not answer a ping, in time.
    pub fn expired(&self, now: Instant) -> Option<WorkerKey> {
        let is_expired = |worker: &WorkerSlot<H>| worker.deadline().is_some_and(|at| at <= now);
        self.find_due(now, is_expired)
    }
}

impl<H> WorkerSlot<H> {
    /// When it is to be checked, if heads are given so long.
    pub(super) fn check_at(&self, checks_leftovers: bool, patience: Duration) -> Option<Instant> {
        if checks_leftovers && self.unchecked && self.phase == Phase::Ready && self.flight.is_empty() {
            return Some(self.head_since + LEFTOVERS_AFTER);
        }
        // One that leaves may stop in the middle of a large task.
        if !matches!(self.phase, Phase::Ready | Phase::Leaving) || self.flight.is_empty() {
            return None;
        }
        Some((self.head_since + patience).max(self.next_look))
    }

    /// When the head's time is over.
    pub(super) fn overrun_at(&self) -> Option<Instant> {
        let max = self.flight.front()?.handle.terms.run_timeout?;
        let is_killed = matches!(self.phase, Phase::Ending);
        (!is_killed).then(|| self.overrun_from.unwrap_or(self.head_since + max))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starting(at) | Phase::Silent(at) => Some(at),
            Phase::Ready | Phase::Spare | Phase::Leaving | Phase::Ending => None,
        }
    }
}
