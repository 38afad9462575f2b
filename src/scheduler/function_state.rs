//! What was learned of a function's runs: how long they take, whether they print, whether they kill their workers, how
//! many there are now. It stays with the function's name when another catalog describes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limit::ConcurrencyLimit;
use super::quarantine::Quarantine;

/// What is known of a function's runs, in all pools.
#[derive(Debug, Default)]
pub struct FunctionState {
    /// Mean nanoseconds an item, plus one; 0 while it is not measured.
    mean_nanoseconds: AtomicU64,
    /// The recent maximum, nanoseconds an item: it halves in about 44 runs.
    peak_nanoseconds: AtomicU64,
    /// Whether it ever printed or said how far it is: then its tasks go one at a time, so that what it says is known to
    /// be of this job.
    prints: AtomicBool,
    /// Whether a worker ever died under it: until then the quarantine's lock is not taken.
    suspect: AtomicBool,
    quarantine: Mutex<Quarantine>,
    /// There once a catalog has limited how many of its tasks run at once.
    limit: OnceLock<Arc<ConcurrencyLimit>>,
}

impl FunctionState {
    /// From now on at most so many of its tasks run at once. Those that run go on, and count if they were limited.
    pub(super) fn set_max_running(&self, max_running: Option<usize>) {
        match (self.limit.get(), max_running) {
            (None, None) => {}
            (None, Some(max)) => drop(self.limit.set(ConcurrencyLimit::new(max))),
            (Some(limit), max) => limit.set_max(max.unwrap_or(usize::MAX)),
        }
    }

    /// The limit of its tasks that run at once.
    pub(crate) fn limit(&self) -> Option<&Arc<ConcurrencyLimit>> {
        self.limit.get()
    }

    /// Until when it is quarantined for having killed its workers, if it is.
    pub fn quarantined_until(&self, now: Instant) -> Option<Instant> {
        if self.suspect.load(Ordering::Relaxed) { self.quarantine.lock().until(now) } else { None }
    }

    /// How long its quarantine lasts from now on, if it has one.
    pub fn quarantined_for(&self, now: Instant) -> Option<Duration> {
        self.quarantined_until(now).map(|until| until.duration_since(now))
    }

    /// A worker died while it ran this. `true`: a quarantine begins.
    pub(crate) fn killed_its_worker(&self, now: Instant) -> bool {
        self.suspect.store(true, Ordering::Relaxed);
        self.quarantine.lock().died(now)
    }

    /// How long so many items are expected to take; `None` if that is not known or it must go alone.
    pub(super) fn expected(&self, items: u64) -> Option<Duration> {
        let mean = self.mean_nanoseconds.load(Ordering::Relaxed);
        let known = mean > 0 && !self.prints.load(Ordering::Relaxed);
        known.then(|| Duration::from_nanos(mean.saturating_mul(items)))
    }

    /// The recent maximum of an item's time; `None` if that is not known or it must go alone.
    pub(super) fn peak(&self) -> Option<Duration> {
        self.expected(1).map(|_| Duration::from_nanos(self.peak_nanoseconds.load(Ordering::Relaxed)))
    }

    /// A task of so many items took so long.
    pub(crate) fn measured(&self, took: Duration, items: u64) {
        let sample = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / items.max(1) + 1;
        let mean = self.mean_nanoseconds.load(Ordering::Relaxed);
        let next = if mean == 0 { sample } else { (mean / 8 * 7).saturating_add(sample / 8).max(1) };
        self.mean_nanoseconds.store(next, Ordering::Relaxed);
        let peak = self.peak_nanoseconds.load(Ordering::Relaxed);
        self.peak_nanoseconds.store(sample.max(peak - peak / 64), Ordering::Relaxed);
    }

    /// It said how far it is: from now on its tasks go one at a time, so that its last words are read with each.
    pub(crate) fn spoke(&self) {
        self.prints.store(true, Ordering::Relaxed);
    }

    /// It printed something.
    pub(crate) fn printed(&self) {
        self.prints.store(true, Ordering::Relaxed);
    }
}
