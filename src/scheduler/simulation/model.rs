//! What should come of a history: jobs as lists of items, each in exactly one place.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::task::ItemSink;
use crate::jobs::FailureCode;

/// What must hold after every step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Whatever could be run is handed out while a worker is free.
    NothingLost,
    /// Nothing is handed out that is out already, done, or dropped.
    NothingTwice,
    /// Higher priorities first.
    Priority,
    /// First come, first served within a key; what comes back goes first.
    OrderWithinKey,
    /// Keys take turns.
    FairTurns,
    /// Concurrency limits and admission are neither exceeded nor leaked.
    Limits,
    /// A job ends exactly once, when it should and as it should.
    EndsOnce,
    /// Nothing that is due is slept through.
    Timers,
    /// Jobs have started when a task of theirs has begun.
    States,
}

/// A rule that does not hold.
#[derive(Debug)]
pub struct Broken {
    pub rule: Rule,
    pub detail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.detail)
    }
}

pub type Checked<T = ()> = Result<T, Broken>;

pub fn check(holds: bool, rule: Rule, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Broken { rule, detail: detail() }) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Apply,
    Map,
    Items,
    Stream,
}

/// Where an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Waiting,
    /// It is retried then.
    Paused(Instant),
    /// With a worker.
    Out,
    /// Its task failed, and its client reads too slowly to be told by this record.
    Untold(String),
    /// Its value, or the record that it has.
    Done(String),
    /// Dropped by a cancel.
    Dropped,
}

#[derive(Debug)]
pub struct Item {
    pub place: Place,
    pub retries: u32,
}

impl Item {
    pub fn new() -> Self {
        Self { place: Place::Waiting, retries: 0 }
    }
}

/// The client of a stream.
#[derive(Debug, Default)]
pub struct Client {
    pub is_slow: AtomicBool,
    pub records: Mutex<Vec<(u64, Bytes)>>,
}

/// Its end of the stream.
#[derive(Debug)]
pub struct ToClient(pub Arc<Client>);

impl ItemSink for ToClient {
    fn send(&self, index: u64, record: Bytes) {
        self.0.records.lock().push((index, record));
    }

    fn is_over_limit(&self) -> bool {
        self.0.is_slow.load(Ordering::Relaxed)
    }

    fn awaited(&self) -> Option<u64> {
        None
    }

    fn add_input(&self, _: usize) {}

    fn release_input(&self, _: usize) {}
}

/// A text of records in which each error is its code alone: what else it says is not the scheduler's.
pub fn with_codes(text: &str) -> String {
    let mut rest = text;
    let mut short = String::new();
    while let Some((before, error)) = rest.split_once("{\"error\":") {
        let mut values = serde_json::Deserializer::from_str(error).into_iter::<serde_json::Value>();
        let problem = values.next().expect("an error").expect("JSON");
        rest = &error[values.byte_offset()..];
        short.push_str(&format!("{before}{{\"error\":{}", problem["code"]));
    }
    short + rest
}

/// A job as it should be.
#[derive(Debug)]
pub struct Job {
    pub kind: Kind,
    pub function: usize,
    pub priority: i8,
    pub key: u8,
    pub retries: u32,
    pub delay: Duration,
    pub items: Vec<Item>,
    /// All its items are known.
    pub is_whole: bool,
    pub client: Arc<Client>,
    pub deadline: Option<Instant>,
    pub is_started: bool,
    pub has_results: bool,
    pub has_retried: bool,
    pub is_cancelled: bool,
    pub failed: Option<FailureCode>,
    pub has_ended: bool,
    /// How the step ends it that is being made.
    pub must_end: Option<FailureCode>,
    /// Tasks of it with workers.
    pub out: usize,
    /// Its client has left.
    pub is_abandoned: bool,
}

impl Job {
    pub fn is_live(&self) -> bool {
        !self.has_ended
    }

    fn any(&self, is: impl Fn(&Place) -> bool) -> bool {
        self.items.iter().any(|item| is(&item.place))
    }

    /// Whether something of it could be handed out, as far as it is concerned.
    pub fn has_work(&self) -> bool {
        let is_held_up = self.kind == Kind::Stream && self.client.is_slow.load(Ordering::Relaxed);
        let is_open = self.is_live() && self.must_end.is_none() && !self.is_cancelled;
        is_open && !is_held_up && self.any(|place| *place == Place::Waiting)
    }

    /// Whether it has work that is not handed out.
    pub fn has_unfinished(&self) -> bool {
        !self.is_whole || self.any(|place| matches!(place, Place::Waiting | Place::Paused(_)))
    }

    /// Whether a cancel has dropped work of it.
    pub fn has_lost(&self) -> bool {
        self.any(|place| *place == Place::Dropped)
    }

    /// Everything of it is done or dropped: how it must end. `None`: it goes on.
    pub fn end(&self) -> Option<Result<(), FailureCode>> {
        let is_over = |place: &Place| matches!(place, Place::Done(_) | Place::Dropped);
        if !(self.out == 0 && self.is_whole && self.items.iter().all(|item| is_over(&item.place))) {
            return None;
        }
        Some(match self.failed {
            _ if self.has_lost() || self.is_abandoned => Err(FailureCode::Cancelled),
            Some(_) if self.is_cancelled => Err(FailureCode::Cancelled),
            Some(code) => Err(code),
            None => Ok(()),
        })
    }

    /// The text of its value.
    pub fn value(&self) -> String {
        let values = self.items.iter().map(|item| match &item.place {
            Place::Done(value) => value.as_str(),
            Place::Waiting | Place::Paused(_) | Place::Out | Place::Untold(_) | Place::Dropped => "?",
        });
        match self.kind {
            Kind::Apply => "[0]".to_owned(),
            Kind::Map | Kind::Items => format!("[{}]", values.collect::<Vec<_>>().join(",")),
            Kind::Stream => String::new(),
        }
    }

    /// The delay before an item that failed so is retried.
    pub fn retry_after(&self, retries: u32, code: FailureCode) -> Option<Duration> {
        let is_retried = matches!(code, FailureCode::FunctionRaised | FailureCode::WorkerDied);
        let again = is_retried && retries < self.retries && !self.is_cancelled && self.failed.is_none();
        again.then(|| self.delay * 2u32.pow(retries))
    }

    /// An item of a task came back unread, or its retry is due.
    pub fn put_back(&mut self, index: usize) {
        self.items[index].place = if self.is_cancelled { Place::Dropped } else { Place::Waiting };
    }

    /// Nothing of it has been run after all, if that is so.
    pub fn unstart(&mut self) {
        let is_open = self.out > 0 || self.any(|place| matches!(place, Place::Paused(_) | Place::Untold(_)));
        if !is_open && !self.has_results && !self.has_retried && self.failed.is_none() && !self.is_cancelled {
            self.is_started = false;
        }
    }

    /// The client reads on: it is told what failed meanwhile.
    pub fn read_on(&mut self) {
        self.client.is_slow.store(false, Ordering::Relaxed);
        for item in &mut self.items {
            if let Place::Untold(record) = &mut item.place {
                item.place = Place::Done(std::mem::take(record));
                self.has_results = true;
            }
        }
    }

    pub fn cancel(&mut self) {
        self.is_cancelled = true;
        // A stream that has not ended may have brought more.
        if !self.is_whole {
            self.items.push(Item { place: Place::Dropped, retries: 0 });
        }
        self.is_whole = true;
        for item in &mut self.items {
            if matches!(item.place, Place::Waiting | Place::Paused(_) | Place::Untold(_)) {
                item.place = Place::Dropped;
            }
        }
    }
}

/// The order in which jobs of one key and priority are served, of functions that are never parked.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<(i8, u8), VecDeque<u64>>);

impl Lines {
    pub fn come(&mut self, place: (i8, u8), number: u64) {
        self.0.entry(place).or_default().push_back(number);
    }

    pub fn come_back(&mut self, place: (i8, u8), number: u64) {
        let line = self.0.entry(place).or_default();
        line.retain(|job| *job != number);
        line.push_front(number);
    }

    pub fn of(&self, place: (i8, u8)) -> impl Iterator<Item = u64> {
        self.0.get(&place).into_iter().flatten().copied()
    }
}

/// Since a key with work had its last turn: the tasks of each other key that were handed out, less those that came
/// back.
#[derive(Debug, Default)]
pub struct Turns(BTreeMap<(i8, u8), BTreeMap<u8, i32>>);

impl Turns {
    /// A task was handed out while these keys had work. Returns a key that was passed over.
    pub fn handed(&mut self, place: (i8, u8), waiting: &[(i8, u8)]) -> Option<(i8, u8)> {
        let (priority, key) = place;
        self.0.retain(|waiter, _| waiting.contains(waiter) && *waiter != place);
        let others = waiting.iter().filter(|(at, other)| *at == priority && *other != key);
        let mut passed_over = None;
        for other in others {
            let count = self.0.entry(*other).or_default().entry(key).or_default();
            *count += 1;
            if *count > 1 {
                passed_over = Some(*other);
            }
        }
        passed_over
    }

    /// Keys without work wait for no turn.
    pub fn waiting(&mut self, waiting: &[(i8, u8)]) {
        self.0.retain(|waiter, _| waiting.contains(waiter));
    }

    /// A task came back unread: its key's turn was not used.
    pub fn came_back(&mut self, (_, key): (i8, u8)) {
        for counts in self.0.values_mut() {
            *counts.entry(key).or_default() -= 1;
        }
    }
}
