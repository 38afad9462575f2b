//! Idempotency keys: which request each belongs to, and the answer that it got.
//!
//! Answers are opaque here. A key is taken before its request is run and kept for its time, whatever becomes of
//! the answer: what was run under it is never run again. A journal will write a key where it is taken and an
//! answer where it is settled; both are one call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
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
#[derive(Debug, Clone)]
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

/// An answer as it was given.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// All of it.
    pub body: Bytes,
    /// The job that it is about, without which it means nothing.
    pub lives_with: Option<JobId>,
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
    /// There are as many keys as there may be.
    TooMany,
    /// They and their answers have as many bytes as they may.
    Full,
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
    entries: HashMap<Arc<str>, Entry>,
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
}

impl Keys {
    /// None yet.
    pub fn new(bounds: KeyBounds) -> Arc<Self> {
        Arc::new(Self { bounds, tables: Mutex::default() })
    }

    /// How many there may be.
    pub fn bounds(&self) -> &KeyBounds {
        &self.bounds
    }

    /// A request came with a key.
    pub fn begin(self: &Arc<Self>, key: &str, fingerprint: Fingerprint) -> Claim {
        let now = Instant::now();
        let mut tables = self.tables.lock();
        tables.expire(now);
        let known = tables.entries.get_key_value(key).map(|(key, _)| Arc::clone(key));
        if let Some(over) = known.filter(|key| tables.settled.is_over(key, now)) {
            tables.remove(&over);
        }
        if let Some((key, entry)) = tables.entries.get_key_value(key) {
            return match &entry.state {
                _ if entry.fingerprint != fingerprint => Claim::Mismatch,
                State::Running(receiver) => Claim::Running(Pending(receiver.clone())),
                State::Settled(_) if tables.is_over(key, now) => Claim::Answered(StoredAnswer::Expired),
                State::Settled(stored) => Claim::Answered(stored.clone()),
            };
        }
        tables.shrink(self.bounds.bytes_max.saturating_sub(key_bytes(key)));
        if tables.entries.len() >= self.bounds.keys_max {
            return Claim::TooMany;
        }
        if tables.bytes() + key_bytes(key) > self.bounds.bytes_max {
            return Claim::Full;
        }
        let key: Arc<str> = key.into();
        let (sender, receiver) = watch::channel(None);
        let state = State::Running(receiver.clone());
        tables.insert(Arc::clone(&key), Entry { fingerprint, state });
        Claim::First(ClaimGuard { keys: Arc::clone(self), key, sender, settled: false }, Pending(receiver))
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

impl Tables {
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
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const PRINT: Fingerprint = [7; 32];

    fn keys(keys_max: usize, bytes_max: usize, ttl: Duration) -> Arc<Keys> {
        Keys::new(KeyBounds { keys_max, bytes_max, ttl })
    }

    fn answer(bytes: usize) -> Answer {
        Answer { status: 200, headers: Vec::new(), body: Bytes::from(vec![b'1'; bytes]), lives_with: None }
    }

    fn claim(keys: &Arc<Keys>, key: &str) -> ClaimGuard {
        let Claim::First(claim, _) = keys.begin(key, PRINT) else { panic!("{key} is new") };
        claim
    }

    fn stored_bytes(keys: &Arc<Keys>, key: &str) -> Option<usize> {
        let Claim::Answered(stored) = keys.begin(key, PRINT) else { panic!("{key} was answered") };
        match stored {
            StoredAnswer::Answer(answer) => Some(answer.body.len()),
            StoredAnswer::Expired => None,
            StoredAnswer::Lost => panic!("{key} is lost"),
        }
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_another_request_is_told() {
        let keys = keys(10, 1 << 20, DAY);
        let first = claim(&keys, "k");
        assert!(matches!(keys.begin("k", [8; 32]), Claim::Mismatch));
        let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
        let (_, stored) = tokio::join!(async { first.settle(answer(3), Some(DAY)) }, pending.answer());
        assert!(matches!(stored, StoredAnswer::Answer(answer) if answer.body.len() == 3));
        assert_eq!(stored_bytes(&keys, "k"), Some(3));
        assert!(matches!(keys.begin("k", [8; 32]), Claim::Mismatch), "answered or not");
    }

    #[tokio::test]
    async fn what_ran_nothing_leaves_the_key_free() {
        let keys = keys(10, 1 << 20, DAY);
        let first = claim(&keys, "k");
        let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
        first.settle(answer(3), None);
        assert!(matches!(pending.answer().await, StoredAnswer::Answer(_)), "who waited is told the same");
        assert!(matches!(keys.begin("k", [8; 32]), Claim::First(..)));
    }

    #[tokio::test]
    async fn a_lost_answer_is_never_run_again() {
        let keys = keys(10, 1 << 20, DAY);
        let first = claim(&keys, "k");
        let Claim::Running(pending) = keys.begin("k", PRINT) else { panic!("it runs") };
        drop(first);
        assert!(matches!(pending.answer().await, StoredAnswer::Lost));
        assert!(matches!(keys.begin("k", PRINT), Claim::Answered(StoredAnswer::Lost)));
    }

    #[test]
    fn of_several_threads_one_is_the_first() {
        let keys = keys(1_000, 1 << 20, DAY);
        let (begin, firsts) = (std::sync::Barrier::new(4), std::sync::atomic::AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    begin.wait();
                    for number in 0..500 {
                        match keys.begin(&number.to_string(), PRINT) {
                            Claim::First(claim, _) => {
                                firsts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                                claim.settle(answer(5_000), Some(DAY));
                            }
                            Claim::Running(_) | Claim::Answered(_) => {}
                            other @ (Claim::Mismatch | Claim::TooMany | Claim::Full) => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        assert_eq!(firsts.into_inner(), 500);
        let tables = keys.tables.lock();
        let answer_bytes = |entry: &Entry| match &entry.state {
            State::Settled(StoredAnswer::Answer(answer)) => answer.bytes(),
            State::Settled(StoredAnswer::Expired | StoredAnswer::Lost) | State::Running(_) => 0,
        };
        let kept = tables.entries.values().map(answer_bytes).sum::<usize>();
        let key_bytes = tables.entries.keys().map(|key| key_bytes(key)).sum::<usize>();
        assert_eq!((tables.answers.bytes(), tables.key_bytes), (kept, key_bytes));
        assert_eq!(tables.settled.len(), 500);
    }

    #[test]
    fn a_full_table_takes_no_more_and_forgets_nothing() {
        let keys = keys(2, 1 << 20, DAY);
        claim(&keys, "a").settle(answer(1), Some(DAY));
        let running = claim(&keys, "b");
        assert!(matches!(keys.begin("c", PRINT), Claim::TooMany));
        assert_eq!(stored_bytes(&keys, "a"), Some(1));
        running.settle(answer(1), None);
        claim(&keys, "c").settle(answer(1), Some(DAY));
    }

    #[test]
    fn large_answers_go_first_and_small_ones_never() {
        let keys = keys(100, 25_000, DAY);
        claim(&keys, "small").settle(answer(100), Some(DAY));
        claim(&keys, "old").settle(answer(9_000), Some(DAY));
        claim(&keys, "new").settle(answer(9_000), Some(DAY));
        claim(&keys, "newest").settle(answer(9_000), Some(DAY));
        let kept = ["small", "old", "new", "newest"].map(|key| stored_bytes(&keys, key));
        assert_eq!(kept, [Some(100), None, Some(9_000), Some(9_000)]);
        for number in 0..5 {
            claim(&keys, &number.to_string()).settle(answer(4_000), Some(DAY));
        }
        assert!(matches!(keys.begin("more", PRINT), Claim::Full), "small ones fill it for good");
        assert_eq!(stored_bytes(&keys, "newest"), None);
        assert_eq!(stored_bytes(&keys, "small"), Some(100));
    }

    #[test]
    fn a_key_outlives_its_answer_and_ends_with_its_time() {
        let keys = keys(10, 1 << 20, Duration::from_secs(1));
        claim(&keys, "k").settle(answer(10), Some(Duration::ZERO));
        assert_eq!(stored_bytes(&keys, "k"), None);
        std::thread::sleep(Duration::from_millis(1_100));
        keys.expire();
        let tables = keys.tables.lock();
        assert_eq!((tables.bytes(), tables.settled.len(), tables.answers.len()), (0, 0, 0));
        drop(tables);
        assert!(matches!(keys.begin("k", [8; 32]), Claim::First(..)));
    }
}
