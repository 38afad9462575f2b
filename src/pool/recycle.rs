//! Workers that have run their tasks or grown too large leave, and others take their place. Such an end is no
//! death.

use std::time::{Duration, Instant};

use super::engine::Engine;
use super::fate::KillCause;
use super::options::{BootFailure, BootReason};
use super::roster::{Phase, SeatId};

/// From one look at the memory of a pool's workers to the next.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);
/// A worker that answers is looked at again, unless it was so lately: what one task left must not end the
/// next.
const MEMORY_REST: Duration = Duration::from_millis(10);

impl Engine {
    /// A worker has answered: does it go on?
    pub(super) fn recycle_if_due(&mut self, id: SeatId) {
        let due = self.roster.is_spent(id) || self.is_too_large_after_a_task(id);
        if due && self.roster.phase(id) == Some(Phase::Ready) {
            self.recycle(id);
        }
    }

    fn recycle(&mut self, id: SeatId) {
        self.replaces = true;
        self.dismiss(id, KillCause::Recycled);
    }

    fn is_too_large_after_a_task(&mut self, id: SeatId) -> bool {
        if self.spec.options.max_rss.is_none() {
            return false;
        }
        let Some(body) = self.bodies.get_mut(&id) else { return false };
        let lately = body.weighed.is_some_and(|at| self.now.saturating_duration_since(at) < MEMORY_REST);
        if lately {
            return false;
        }
        body.weighed = Some(self.now);
        self.excess(id).is_some()
    }

    /// What a worker holds, if that is more than it may.
    fn excess(&self, id: SeatId) -> Option<u64> {
        let most = self.spec.options.max_rss?;
        let bytes = self.bodies.get(&id)?.process.as_ref()?.resident_bytes()?;
        (bytes > most).then_some(bytes)
    }

    /// When the workers' memory is to be looked at next.
    pub(super) fn next_weighing(&self) -> Option<Instant> {
        self.spec.options.max_rss.filter(|_| !self.roster.is_empty()).map(|_| self.next_weighing)
    }

    /// Looks at the workers' memory, if it is time.
    pub(super) fn weigh_workers(&mut self) {
        if self.next_weighing().is_none_or(|at| at > self.now) {
            return;
        }
        self.next_weighing = self.now + MEMORY_PERIOD;
        for id in self.roster.ids().collect::<Vec<_>>() {
            if let Some(Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving) =
                self.roster.phase(id)
                && let Some(bytes) = self.excess(id)
            {
                self.on_excess(id, bytes);
            }
        }
    }

    /// Idle: it leaves. A task that has just begun may not be the one that took the memory: it ends, or is
    /// found here again. Else that task is killed.
    fn on_excess(&mut self, id: SeatId, bytes: u64) {
        if self.roster.phase(id) != Some(Phase::Leaving) {
            self.recycle(id);
        }
        let runs = self.roster.flight(id).next().is_some();
        if runs && self.roster.head_age(id, self.now) >= MEMORY_PERIOD {
            tracing::warn!(pool = %self.spec.name, bytes, "a worker holds more than max_rss");
            self.replaces = true;
            self.kill(id, KillCause::Memory(bytes));
        }
    }

    /// A worker that is too large before its first task would be replaced for ever. `true`: it is.
    pub(super) fn is_born_too_large(&mut self, id: SeatId) -> bool {
        let Some(bytes) = self.excess(id) else { return false };
        let most = self.spec.options.max_rss.unwrap_or_default();
        self.replaces = false;
        self.pace.boot_failed(self.now);
        self.boot_failed_for_good(BootFailure {
            reason: BootReason::Memory,
            detail: format!("a worker holds {bytes} bytes before its first task, more than max_rss ({most})"),
            exception: None,
        });
        self.kill(id, KillCause::Boot);
        true
    }
}
