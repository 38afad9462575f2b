//! Recycling: workers that have run their number of tasks or grown too large are replaced. That counts as no death.

use std::time::{Duration, Instant};

use super::deaths::KillCause;
use super::options::{BootFailure, BootReason};
use super::set::WorkerSet;
use super::table::{Phase, WorkerKey};
use crate::scheduler::Scheduler;

/// From one check of the memory of a pool's workers to the next.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);
/// A worker's memory is checked after an answer, too, unless it was within this time: what one task left must not end
/// the next.
const MEMORY_RECENT: Duration = Duration::from_millis(10);

impl WorkerSet {
    /// A worker has answered: it is replaced if it has run enough or is too large.
    pub(super) fn recycle_if_due(&mut self, key: WorkerKey, scheduler: &mut Scheduler) {
        let due = self.table.is_spent(key) || self.is_too_large_after_a_task(key);
        if due && self.table.phase(key) == Some(Phase::Ready) {
            self.recycle(key, scheduler);
        }
    }

    pub(super) fn recycle(&mut self, key: WorkerKey, scheduler: &mut Scheduler) {
        self.is_replacing = true;
        self.dismiss(key, KillCause::Recycled, scheduler);
    }

    fn is_too_large_after_a_task(&mut self, key: WorkerKey) -> bool {
        if self.spec.options.max_rss.is_none() {
            return false;
        }
        let Some(handle) = self.table.handle_mut(key) else { return false };
        let is_recent =
            handle.memory_checked.is_some_and(|at| self.now.saturating_duration_since(at) < MEMORY_RECENT);
        if is_recent {
            return false;
        }
        handle.memory_checked = Some(self.now);
        self.excess(key).is_some()
    }

    /// The memory of a worker, if that is more than it may have.
    fn excess(&self, key: WorkerKey) -> Option<u64> {
        let most = self.spec.options.max_rss?;
        let bytes = self.table.handle(key)?.process.as_ref()?.resident_bytes()?;
        (bytes > most).then_some(bytes)
    }

    /// When the workers' memory is to be checked next.
    pub(super) fn next_memory_check(&self) -> Option<Instant> {
        self.spec.options.max_rss.filter(|_| !self.table.is_empty()).map(|_| self.next_memory_check)
    }

    /// Checks the workers' memory, if it is time.
    pub fn check_memory(&mut self, scheduler: &mut Scheduler) {
        if self.next_memory_check().is_none_or(|at| at > self.now) {
            return;
        }
        self.next_memory_check = self.now + MEMORY_PERIOD;
        for key in self.table.keys().collect::<Vec<_>>() {
            if let Some(Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving) =
                self.table.phase(key)
                && let Some(bytes) = self.excess(key)
            {
                self.on_excess(key, bytes, scheduler);
            }
        }
    }

    /// An idle worker leaves. A task that has just begun may not be the one that took the memory: it may end, and is
    /// killed if it is still there at the next check.
    fn on_excess(&mut self, key: WorkerKey, bytes: u64, scheduler: &mut Scheduler) {
        if self.table.phase(key) != Some(Phase::Leaving) {
            self.recycle(key, scheduler);
        }
        let runs = self.table.head(key).is_some();
        if runs && self.table.head_age(key, self.now) >= MEMORY_PERIOD {
            tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), bytes, "a worker holds more than max_rss");
            self.is_replacing = true;
            self.kill(key, KillCause::Memory(bytes));
        }
    }

    /// A worker that is too large before its first task would be replaced for ever: it is a failed boot. `true`: it is.
    pub(super) fn is_born_too_large(&mut self, key: WorkerKey) -> bool {
        let Some(bytes) = self.excess(key) else { return false };
        let most = self.spec.options.max_rss.unwrap_or_default();
        self.is_replacing = false;
        self.backoff.boot_failed(self.now);
        self.set_boot_failure(BootFailure {
            reason: BootReason::Memory,
            detail: format!("a worker holds {bytes} bytes before its first task, more than max_rss ({most})"),
            exception: None,
        });
        self.kill(key, KillCause::Boot);
        true
    }
}
