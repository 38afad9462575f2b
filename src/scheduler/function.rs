//! A function that is offered, and what was measured of its runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limit::ConcurrencyLimit;
use super::quarantine::Quarantine;
use crate::runtime::Runtime;
use crate::schema::Types;

/// A function that is offered.
#[derive(Debug)]
pub struct Function {
    /// Public name.
    pub name: Arc<str>,
    /// The runtime that has it.
    pub runtime: Runtime,
    /// The pool that runs it unless a request names another.
    pub pool: Arc<str>,
    /// Its documentation.
    pub doc: Option<String>,
    /// How it is called, `(x)`.
    pub signature: Option<String>,
    /// What its arguments and its value must be.
    pub types: Types,
    /// Mean nanoseconds an item, plus one; 0 while it is not measured.
    mean_nanoseconds: AtomicU64,
    /// The recent maximum, nanoseconds an item: it halves in about 44 runs.
    peak_nanoseconds: AtomicU64,
    /// Whether it ever printed: then its tasks go one at a time, so that output is logged with its job.
    prints: AtomicBool,
    /// Whether a worker ever died under it: until then the quarantine's lock is not taken.
    suspect: AtomicBool,
    quarantine: Mutex<Quarantine>,
    /// How long a task of it may run unless a request says.
    pub run_timeout: Option<Duration>,
    /// How often a task of it is retried unless a request says.
    pub retries: u32,
    /// How many tasks of it may run at once, if that is limited.
    limit: Option<Arc<ConcurrencyLimit>>,
}

impl Function {
    /// A function not yet measured.
    pub fn new(name: &str, runtime: Runtime, doc: Option<String>, signature: Option<String>) -> Self {
        Self {
            name: name.into(),
            runtime,
            pool: runtime.name().into(),
            doc,
            signature,
            types: Types::default(),
            mean_nanoseconds: AtomicU64::new(0),
            peak_nanoseconds: AtomicU64::new(0),
            prints: AtomicBool::new(false),
            suspect: AtomicBool::new(false),
            quarantine: Mutex::default(),
            run_timeout: None,
            retries: 0,
            limit: None,
        }
    }

    /// The same, of which this is known.
    #[must_use]
    pub fn with_types(mut self, types: Types) -> Self {
        self.types = types;
        self
    }

    /// The same, of which at most so many tasks run at once.
    #[must_use]
    pub fn at_most(mut self, max_running: Option<usize>) -> Self {
        self.limit = max_running.map(ConcurrencyLimit::new);
        self
    }

    /// The limit of its tasks that run at once.
    pub(crate) fn limit(&self) -> Option<&Arc<ConcurrencyLimit>> {
        self.limit.as_ref()
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

    /// The same, run by this pool unless a request names another.
    #[must_use]
    pub fn in_pool(mut self, pool: &str) -> Self {
        self.pool = pool.into();
        self
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

    /// It printed something.
    pub(crate) fn printed(&self) {
        self.prints.store(true, Ordering::Relaxed);
    }
}
