//! One job: what was asked, how far it is, how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::id::JobId;
use super::outcome::{FailureCode, Outcome};
use super::output::KeptOutput;
use super::terms::Terms;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Which call made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// One call.
    Apply,
    /// One call per item.
    Map,
    /// One call per item, each an array of arguments.
    Starmap,
    /// One call per item of a stream, records in order.
    Imap,
    /// The same, records as they come.
    ImapUnordered,
}

impl JobKind {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Map => "map",
            Self::Starmap => "starmap",
            Self::Imap => "imap",
            Self::ImapUnordered => "imap_unordered",
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing of it has started.
    Queued,
    /// Something has.
    Running,
    /// It ended with a value.
    Succeeded,
    /// It ended without one.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl State {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`State::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What makes a job.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Which call.
    pub kind: JobKind,
    /// Public name of the function.
    pub function: Arc<str>,
    /// The pool that runs it.
    pub pool: Arc<str>,
    /// The name of who asked for it, where callers have names.
    pub owner: Option<Arc<str>>,
    /// Items to do; 1 for an apply.
    pub total: u64,
    /// Items a task, for maps.
    pub chunksize: Option<u64>,
    /// Whether it is kept once it has ended (`_async`).
    pub retained: bool,
    /// What else was asked for.
    pub terms: Terms,
}

/// One job. Shared by the store, the pool and whoever waits.
#[derive(Debug)]
pub struct Record {
    /// Its id.
    pub id: JobId,
    /// A number of this process, for the pool's tables.
    pub number: u64,
    /// What made it.
    pub new: NewJob,
    /// When it was accepted.
    pub created_at: SystemTime,
    pub(super) live: Mutex<Live>,
    /// Its end; while somebody follows it, its start and its output too.
    pub(super) changed: Notify,
    pub(super) followers: AtomicUsize,
}

#[derive(Debug, Default)]
pub(super) struct Live {
    pub started_at: Option<SystemTime>,
    pub finished_at: Option<SystemTime>,
    expires_at: Option<SystemTime>,
    pub done: u64,
    /// Items done at the last look, those of running chunks included.
    pub seen_done: u64,
    pub looked_at: Option<Instant>,
    /// Items of a stream so far.
    pub expected: u64,
    pub attempts: u32,
    pub outcome: Option<Outcome>,
    pub output: KeptOutput,
}

/// A record at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// How far it is.
    pub state: State,
    /// When its first task started.
    pub started_at: Option<SystemTime>,
    /// When it ended.
    pub finished_at: Option<SystemTime>,
    /// When its outcome will be forgotten.
    pub expires_at: Option<SystemTime>,
    /// Items done, those of running chunks that were last looked at included.
    pub done: u64,
    /// Items in all; of a stream, so far.
    pub total: u64,
    /// How often it was started.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Record {
    /// A job just accepted.
    pub fn new(new: NewJob) -> Self {
        Self {
            id: JobId::new(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            new,
            created_at: SystemTime::now(),
            live: Mutex::default(),
            changed: Notify::new(),
            followers: AtomicUsize::new(0),
        }
    }

    /// Its first task was handed out. A task taken back unread makes it no less started for its watchers.
    pub fn start(&self) {
        let mut live = self.live.lock();
        if live.started_at.is_none() {
            live.started_at = Some(SystemTime::now());
            live.attempts = 1;
            drop(live);
            self.tell_followers();
        }
    }

    /// Nothing of it has been run after all: its only task came back unread.
    pub fn unstart(&self) {
        let mut live = self.live.lock();
        if live.outcome.is_none() {
            live.started_at = None;
            live.attempts = 0;
            drop(live);
            self.tell_followers();
        }
    }

    /// More items will come.
    pub fn expect(&self, items: u64) {
        self.live.lock().expected += items;
    }

    /// Items done, as far as their answers were read.
    pub fn done(&self) -> u64 {
        self.live.lock().done
    }

    /// Items were done.
    pub fn advance(&self, items: u64) {
        self.live.lock().done += items;
    }

    /// A task of it is run for the `attempt`th time.
    pub fn attempt(&self, attempt: u32) {
        let mut live = self.live.lock();
        live.attempts = live.attempts.max(attempt);
        drop(live);
        self.tell_followers();
    }

    /// Ends it, once; `false` if it had ended. A kept record expires after `kept_for`.
    pub fn finish(&self, outcome: Outcome, kept_for: Duration) -> bool {
        {
            let mut live = self.live.lock();
            if live.outcome.is_some() {
                return false;
            }
            let now = SystemTime::now();
            live.finished_at = Some(now);
            live.expires_at = self.new.retained.then(|| now + kept_for);
            if matches!(outcome, Outcome::Value(_)) {
                live.done = self.new.total + live.expected;
            }
            live.outcome = Some(outcome);
        }
        self.changed.notify_waiters();
        true
    }

    /// Waits for its end.
    pub async fn ended(&self) -> Outcome {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            changed.await;
        }
    }

    /// Its tasks printed something; so many bytes are kept in all. How many more are kept of a job that has ended.
    pub fn append_log(&self, output: &[u8], bytes_max: usize) -> usize {
        let mut live = self.live.lock();
        let before = live.output.bytes().len();
        live.output.append(output, bytes_max);
        let more = live.output.bytes().len().saturating_sub(before);
        let has_ended = live.outcome.is_some();
        drop(live);
        self.tell_followers();
        if has_ended { more } else { 0 }
    }

    fn tell_followers(&self) {
        if self.followers.load(Ordering::Relaxed) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// What its tasks printed, and whether more was dropped.
    pub fn log(&self) -> (Vec<u8>, bool) {
        let live = self.live.lock();
        (live.output.bytes().to_vec(), live.output.is_cut())
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.live.lock().outcome.clone()
    }

    /// Whether anything of it has started.
    pub fn has_started(&self) -> bool {
        self.live.lock().started_at.is_some()
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.live.lock().state()
    }

    /// All of it at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.live.lock();
        Snapshot {
            state: live.state(),
            started_at: live.started_at,
            finished_at: live.finished_at,
            expires_at: live.expires_at,
            done: live.shown_done(),
            total: self.new.total + live.expected,
            attempts: live.attempts,
            outcome: live.outcome.clone(),
        }
    }

    /// Bytes that keeping it costs, about: itself, its terms, its outcome, its log.
    pub fn kept_bytes(&self) -> usize {
        let live = self.live.lock();
        let outcome = match &live.outcome {
            Some(Outcome::Value(value)) => value.len(),
            Some(Outcome::Failure(failure)) => failure.kept_bytes(),
            None => 0,
        };
        size_of::<Self>() + self.new.terms.held_bytes() + outcome + live.output.bytes().len()
    }
}

impl Live {
    /// Items done; while it runs, those that were seen done too.
    pub fn shown_done(&self) -> u64 {
        if self.outcome.is_none() { self.done.max(self.seen_done) } else { self.done }
    }

    pub fn state(&self) -> State {
        match &self.outcome {
            Some(Outcome::Value(_)) => State::Succeeded,
            Some(Outcome::Failure(failure)) if failure.code == FailureCode::Cancelled => State::Cancelled,
            Some(Outcome::Failure(_)) => State::Failed,
            None if self.started_at.is_some() => State::Running,
            None => State::Queued,
        }
    }
}
