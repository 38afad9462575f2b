//! Idempotency keys: which request each belongs to, and the job or the answer that it got.
//!
//! The key of a job belongs to it: the store that accepts the job takes the key ([`Keys::claim_for`]). The key of a
//! request that is answered when it has been done is taken before it is run ([`Keys::begin`]), and kept for its time
//! whatever becomes of the answer: what was run under it is never run again. Answers are opaque here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::id::JobId;
use super::retention::RetentionTable;

/// Answers of at most so many bytes are never let go early: jobs, pools and their like, which can't be had again.
const SMALL_BYTES_MAX: usize = 4 << 10;

/// What a key costs besides its text, about: its entry, what waits for its answer, its places in three tables.
const KEY_BYTES: usize = 640;
/// What a header costs besides its text, about.
const HEADER_BYTES: usize = 80;
/// Keys and answers that are let go at once, at most: what is left waits for the next call.
const LET_GO_MAX: usize = 1_000;

/// How many keys and how much of their answers is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyBounds {
    /// Keys; one more is refused.
    pub keys_max: usize,
    /// Bytes of them and their answers; beyond, the oldest large answers are let go, and then new keys are refused.
    pub bytes_max: usize,
    /// How long a key is kept once its request was answered.
    pub ttl: Duration,
}

/// What a request tells apart from another under the same key: a digest.
pub type Fingerprint = [u8; 32];

/// A key and the request that it came with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// As the client wrote it.
    pub text: Arc<str>,
    /// Of which request.
    pub fingerprint: Fingerprint,
}

/// Why a key can't be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysFull {
    /// There are as many keys as there may be.
    Keys(KeyBounds),
    /// They and their answers have as many bytes as they may.
    Bytes(KeyBounds),
}

/// What a key means for the job that came with it.
#[derive(Debug, PartialEq, Eq)]
pub enum JobClaim {
    /// It is the first: the key is this job's now.
    New,
    /// The same request made this job.
    Same(JobId),
    /// The key belongs to another request.
    Mismatch,
    /// It can't be remembered.
    Full(KeysFull),
}

/// The key belongs to another request.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch;

/// An answer as it was given.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Bytes,
}

impl Answer {
    fn bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + HEADER_BYTES);
        size_of::<Self>() + self.body.len() + headers.sum::<usize>()
    }
}

/// What is known of a key's answer.
#[derive(Debug, Clone)]
pub enum StoredAnswer {
    /// It is here.
    Answer(Arc<Answer>),
    /// It was kept for its time.
    Expired,
    /// The request was taken and never answered.
    Lost,
}

/// What a key means for the request that came with it.
#[derive(Debug)]
pub enum Claim {
    /// It is the first: to be run, and its claim to be settled.
    First(ClaimGuard, Pending),
    /// The same request is being run.
    Running(Pending),
    /// The same request was answered.
    Answered(StoredAnswer),
    /// The key belongs to another request.
    Mismatch,
    /// It can't be remembered.
    Full(KeysFull),
}

/// The answer of a request that is being run.
#[derive(Debug)]
pub struct Pending(watch::Receiver<Option<StoredAnswer>>);

impl Pending {
    /// Waits for it.
    pub async fn answer(mut self) -> StoredAnswer {
        let stored = self.0.wait_for(Option::is_some).await;
        stored.ok().and_then(|stored| stored.clone()).unwrap_or(StoredAnswer::Lost)
    }
}

/// The right to run a key's request, once. Dropped unsettled, its answer is lost.
#[derive(Debug)]
pub struct ClaimGuard {
    keys: Arc<Keys>,
    key: Arc<str>,
    sender: watch::Sender<Option<StoredAnswer>>,
    settled: bool,
}

/// The keys.
#[derive(Debug)]
pub struct Keys {
    bounds: KeyBounds,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    entries: BTreeMap<Arc<str>, Entry>,
    /// Those that were answered: how long each is remembered.
    settled: RetentionTable<Arc<str>>,
    /// How long each answer is kept; large ones may be let go early.
    answers: RetentionTable<Arc<str>>,
    /// Bytes of the keys that are there, answered or not.
    key_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    state: State,
}

#[derive(Debug)]
enum State {
    Running(watch::Receiver<Option<StoredAnswer>>),
    Settled(StoredAnswer),
    Job(JobId),
}

impl Keys {
    /// None yet.
    pub fn new(bounds: KeyBounds) -> Arc<Self> {
        Arc::new(Self { bounds, tables: Mutex::default() })
    }

    /// A request came with a key.
    pub fn begin(self: &Arc<Self>, key: &str, fingerprint: Fingerprint) -> Claim {
        let now = Instant::now();
        let mut tables = self.tables.lock();
        tables.expire_at(key, now);
        if let Some((key, entry)) = tables.entries.get_key_value(key) {
            return match &entry.state {
                _ if entry.fingerprint != fingerprint => Claim::Mismatch,
                // What is answered at its end is no submission: their paths differ.
                State::Job(_) => Claim::Mismatch,
                State::Running(receiver) => Claim::Running(Pending(receiver.clone())),
                State::Settled(_) if tables.is_over(key, now) => Claim::Answered(StoredAnswer::Expired),
                State::Settled(stored) => Claim::Answered(stored.clone()),
            };
        }
        if let Some(full) = tables.make_room(key, &self.bounds) {
            return Claim::Full(full);
        }
        let key: Arc<str> = key.into();
        let (sender, receiver) = watch::channel(None);
        let state = State::Running(receiver.clone());
        tables.insert(Arc::clone(&key), Entry { fingerprint, state });
        Claim::First(ClaimGuard { keys: Arc::clone(self), key, sender, settled: false }, Pending(receiver))
    }

    /// A job came with a key: it is the key's from now on, and for its time, if no request had it before.
    pub fn claim_for(&self, key: &IdempotencyKey, job: JobId) -> JobClaim {
        let now = Instant::now();
        let mut tables = self.tables.lock();
        tables.expire_at(&key.text, now);
        if let Some(entry) = tables.entries.get(&key.text) {
            return entry.job(key).map_or(JobClaim::Mismatch, JobClaim::Same);
        }
        if let Some(full) = tables.make_room(&key.text, &self.bounds) {
            return JobClaim::Full(full);
        }
        let entry = Entry { fingerprint: key.fingerprint, state: State::Job(job) };
        tables.insert(Arc::clone(&key.text), entry);
        tables.settled.keep(Arc::clone(&key.text), now + self.bounds.ttl, 0, false);
        JobClaim::New
    }

    /// The job of a key that was used before.
    ///
    /// # Errors
    /// It was used for another request.
    pub fn job_of(&self, key: &IdempotencyKey) -> Option<Result<JobId, Mismatch>> {
        let mut tables = self.tables.lock();
        tables.expire_at(&key.text, Instant::now());
        tables.entries.get(&key.text).map(|entry| entry.job(key).ok_or(Mismatch))
    }

    /// Forgets some of what has been kept for its time or is too much; `true` if more of it is left.
    pub fn expire(&self) -> bool {
        let mut tables = self.tables.lock();
        let is_over = tables.shrink(self.bounds.bytes_max);
        tables.expire(Instant::now()) || is_over
    }

    /// Tells who waits, and keeps the answer for `life` and the key for its time; without a life it was as if
    /// the key had never been sent.
    fn settle(
        &self,
        key: &Arc<str>,
        sender: &watch::Sender<Option<StoredAnswer>>,
        stored: StoredAnswer,
        life: Option<Duration>,
    ) {
        let mut tables = self.tables.lock();
        match life {
            None => tables.remove(key),
            Some(life) => tables.keep(key, stored.clone(), life, &self.bounds),
        }
        drop(tables);
        sender.send_replace(Some(stored));
    }
}

impl ClaimGuard {
    /// The request was answered. The answer is kept for `life`, or, with none, only told to those who wait for it.
    pub fn settle(mut self, answer: Answer, life: Option<Duration>) {
        self.settled = true;
        self.keys.settle(&self.key, &self.sender, StoredAnswer::Answer(Arc::new(answer)), life);
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        if !self.settled {
            self.keys.settle(&self.key, &self.sender, StoredAnswer::Lost, Some(self.keys.bounds.ttl));
        }
    }
}

impl Entry {
    /// The job of this key, if it is the same request's.
    fn job(&self, key: &IdempotencyKey) -> Option<JobId> {
        match self.state {
            State::Job(job) if self.fingerprint == key.fingerprint => Some(job),
            State::Job(_) | State::Running(_) | State::Settled(_) => None,
        }
    }
}

impl Tables {
    /// Forgets some of what has been kept for its time, and this key if it is among it.
    fn expire_at(&mut self, key: &str, now: Instant) {
        self.expire(now);
        let known = self.entries.get_key_value(key).map(|(key, _)| Arc::clone(key));
        if let Some(over) = known.filter(|key| self.settled.is_over(key, now)) {
            self.remove(&over);
        }
    }

    /// Lets answers go for a new key; why there is no room for it, if there is none.
    fn make_room(&mut self, key: &str, bounds: &KeyBounds) -> Option<KeysFull> {
        self.shrink(bounds.bytes_max.saturating_sub(key_bytes(key)));
        if self.entries.len() >= bounds.keys_max {
            return Some(KeysFull::Keys(*bounds));
        }
        (self.bytes() + key_bytes(key) > bounds.bytes_max).then_some(KeysFull::Bytes(*bounds))
    }

    fn bytes(&self) -> usize {
        self.key_bytes + self.answers.bytes()
    }

    fn insert(&mut self, key: Arc<str>, entry: Entry) {
        self.key_bytes += key_bytes(&key);
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &Arc<str>) {
        if self.entries.remove(key).is_some() {
            self.key_bytes -= key_bytes(key);
        }
        self.settled.forget(key);
        self.answers.forget(key);
    }

    fn keep(&mut self, key: &Arc<str>, stored: StoredAnswer, life: Duration, bounds: &KeyBounds) {
        let now = Instant::now();
        if let StoredAnswer::Answer(answer) = &stored {
            let bytes = answer.bytes();
            let is_large = bytes > SMALL_BYTES_MAX;
            self.answers.keep(Arc::clone(key), now + life.min(bounds.ttl), bytes, is_large);
        }
        if let Some(entry) = self.entries.get_mut(key) {
            entry.state = State::Settled(stored);
        }
        self.settled.keep(Arc::clone(key), now + bounds.ttl, 0, false);
        self.shrink(bounds.bytes_max);
    }

    /// Lets some large answers go, the oldest first, until no more bytes are held; `true` if more of them are too many.
    /// The keys stay.
    fn shrink(&mut self, bytes_max: usize) -> bool {
        let answers_max = bytes_max.saturating_sub(self.key_bytes);
        for _ in 0..LET_GO_MAX {
            let Some(key) = self.answers.pop_excess(usize::MAX, answers_max) else { return false };
            self.let_go(&key);
        }
        true
    }

    fn let_go(&mut self, key: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.state = State::Settled(StoredAnswer::Expired);
        }
    }

    /// Forgets some of what has been kept for its time; `true` if more of it is left.
    fn expire(&mut self, now: Instant) -> bool {
        for _ in 0..LET_GO_MAX {
            if let Some(key) = self.settled.pop_expired(now) {
                self.remove(&key);
            } else if let Some(key) = self.answers.pop_expired(now) {
                self.let_go(&key);
            } else {
                return false;
            }
        }
        true
    }

    /// Whether an answer that is still there has been kept for its time.
    fn is_over(&self, key: &Arc<str>, now: Instant) -> bool {
        self.answers.is_over(key, now)
    }
}

/// What a key costs: itself, its entry, and its places in the tables.
fn key_bytes(key: &str) -> usize {
    key.len() + KEY_BYTES
}

#[cfg(test)]
mod tests;
