//! A function that is offered, and what was seen of its runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::quarantine::Quarantine;
use super::share::Share;
use crate::process::Runtime;
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
    /// The longest of late, nanoseconds an item: halves in about 44 runs.
    peak_nanoseconds: AtomicU64,
    /// Whether it was ever seen to print: then its tasks go one at a time, so that output finds its job.
    prints: AtomicBool,
    /// Whether a worker ever died under it: until then nobody looks further.
    suspect: AtomicBool,
    quarantine: Mutex<Quarantine>,
    /// How long a task of it may run unless a request says.
    pub run_timeout: Option<Duration>,
    /// How often a task of it is run again unless a request says.
    pub retries: u32,
    /// How many tasks of it may run at once, if not any number.
    pub(super) share: Option<Arc<Share>>,
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
            share: None,
        }
    }

    /// The same, of which this is known.
    #[must_use]
    pub fn with_types(mut self, types: Types) -> Self {
        self.types = types;
        self
    }

    /// What bounds the tasks of it that run at once.
    pub(super) fn share(&self) -> Option<&Arc<Share>> {
        self.share.as_ref()
    }

    /// Until when it rests for having killed its workers, if it does.
    pub fn rests_until(&self, now: Instant) -> Option<Instant> {
        if self.suspect.load(Ordering::Relaxed) { self.quarantine.lock().until(now) } else { None }
    }

    /// For how long it rests from now on, if it does.
    pub fn rest(&self) -> Option<Duration> {
        if !self.suspect.load(Ordering::Relaxed) {
            return None;
        }
        let now = Instant::now();
        self.rests_until(now).map(|until| until.duration_since(now))
    }

    /// A worker died while it ran this. `true`: from now on it rests.
    pub(super) fn killed_its_worker(&self, now: Instant) -> bool {
        self.suspect.store(true, Ordering::Relaxed);
        self.quarantine.lock().died(now)
    }

    /// The same, run by this pool unless a request names another.
    #[must_use]
    pub fn in_pool(mut self, pool: &str) -> Self {
        self.pool = pool.into();
        self
    }

    /// How long so many items are expected to take; `None` if nobody knows or it must go alone.
    pub(super) fn expected(&self, items: u64) -> Option<Duration> {
        let mean = self.mean_nanoseconds.load(Ordering::Relaxed);
        let known = mean > 0 && !self.prints.load(Ordering::Relaxed);
        known.then(|| Duration::from_nanos(mean.saturating_mul(items)))
    }

    /// How long an item took at most of late; `None` if nobody knows or it must go alone.
    pub(super) fn peak(&self) -> Option<Duration> {
        self.expected(1).map(|_| Duration::from_nanos(self.peak_nanoseconds.load(Ordering::Relaxed)))
    }

    /// A task of so many items took so long.
    pub(super) fn measured(&self, took: Duration, items: u64) {
        let sample = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / items.max(1) + 1;
        let mean = self.mean_nanoseconds.load(Ordering::Relaxed);
        let next = if mean == 0 { sample } else { (mean / 8 * 7).saturating_add(sample / 8).max(1) };
        self.mean_nanoseconds.store(next, Ordering::Relaxed);
        let peak = self.peak_nanoseconds.load(Ordering::Relaxed);
        self.peak_nanoseconds.store(sample.max(peak - peak / 64), Ordering::Relaxed);
    }

    /// It was seen to print.
    pub(super) fn printed(&self) {
        self.prints.store(true, Ordering::Relaxed);
    }
}
