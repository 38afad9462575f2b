//! The way of a stream's records to its client, and how many bytes of it are buffered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::jobs::{Admission, AnswerBytes, Room, Share};
use crate::scheduler::{ItemSink, RECORD_BYTES};

/// Where the records of a stream go.
#[derive(Debug)]
pub struct Sink {
    /// Each with its item's index.
    pub records: mpsc::UnboundedSender<(u64, Bytes)>,
    /// Bytes of items that were fed and have no record yet; they hold back the feeding.
    pub fed: Arc<ByteGauge>,
    /// Bytes of records that the client hasn't taken yet; they hold back the hand-out.
    pub held: Arc<ByteGauge>,
}

impl Sink {
    /// What a record costs until its client has taken it, in bytes.
    pub fn cost(record: &Bytes) -> usize {
        record.len() + RECORD_BYTES
    }
}

impl ItemSink for Sink {
    fn send(&self, index: u64, record: Bytes) {
        self.held.add(Sink::cost(&record));
        // That a client has left is found by those who write to it.
        let _ = self.records.send((index, record));
    }

    fn is_over_limit(&self) -> bool {
        self.held.is_over_limit()
    }

    fn awaited(&self) -> Option<u64> {
        self.held.awaited()
    }

    fn add_input(&self, bytes: usize) {
        self.fed.add(bytes);
    }

    fn release_input(&self, bytes: usize) {
        self.fed.sub(bytes);
    }
}

/// Above so many bytes at one end of a stream, nothing more is taken at the other.
const GAUGE_BYTES_MAX: usize = 4 << 20;

/// Bytes that are buffered at one end of a stream.
#[derive(Debug)]
pub struct ByteGauge {
    bytes: AtomicUsize,
    /// How many of them can't be taken yet.
    aside: AtomicUsize,
    limit: Limit,
    freed: Notify,
    /// One more than the index of the record that those buffered wait for; 0: they wait for none.
    awaited: AtomicU64,
}

/// Where the bytes of all streams count together.
#[derive(Debug)]
enum Limit {
    /// Arguments that have been counted already.
    Counted,
    /// `--queue-bytes`.
    Queue(Admission),
    /// `--answer-bytes`.
    Answers(AnswerBytes),
}

impl Limit {
    fn add(&self, bytes: usize) {
        match self {
            Self::Counted => {}
            Self::Queue(admission) => admission.add(bytes),
            Self::Answers(answers) => answers.add(Share::Untaken, bytes),
        }
    }

    fn sub(&self, bytes: usize) {
        match self {
            Self::Counted => {}
            Self::Queue(admission) => admission.sub(bytes),
            Self::Answers(answers) => answers.sub(Share::Untaken, bytes),
        }
    }

    /// As what a job has gathered: nothing that its client does frees them.
    fn set_aside(&self, bytes: usize) {
        if let Self::Answers(answers) = self {
            answers.add(Share::Gathered, bytes);
            answers.sub(Share::Untaken, bytes);
        }
    }

    fn bring_back(&self, bytes: usize) {
        if let Self::Answers(answers) = self {
            answers.add(Share::Untaken, bytes);
            answers.sub(Share::Gathered, bytes);
        }
    }

    fn room(&self) -> Room {
        match self {
            Self::Answers(answers) => answers.room(),
            Self::Counted | Self::Queue(_) => Room::Free,
        }
    }
}

impl ByteGauge {
    /// Of items that count nowhere else; `None`: they are counted already.
    pub fn of_items(admission: Option<Admission>) -> Arc<Self> {
        Self::counted_by(admission.map_or(Limit::Counted, Limit::Queue))
    }

    /// Of records.
    pub fn of_records(answers: AnswerBytes) -> Arc<Self> {
        Self::counted_by(Limit::Answers(answers))
    }

    fn counted_by(limit: Limit) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            aside: AtomicUsize::new(0),
            limit,
            freed: Notify::new(),
            awaited: AtomicU64::new(0),
        })
    }

    /// More.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.limit.add(bytes);
    }

    /// Less; `true` if it is below the limit again.
    pub fn sub(&self, bytes: usize) -> bool {
        self.limit.sub(bytes);
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let freed = before > GAUGE_BYTES_MAX && before - bytes <= GAUGE_BYTES_MAX;
        if freed {
            self.freed.notify_one();
        }
        freed
    }

    /// So many of them can't be taken yet: they wait for an item that a worker has.
    pub fn set_aside(&self, bytes: usize) {
        self.aside.fetch_add(bytes, Ordering::Relaxed);
        self.limit.set_aside(bytes);
    }

    /// They can be taken now.
    pub fn bring_back(&self, bytes: usize) {
        self.aside.fetch_sub(bytes, Ordering::Relaxed);
        self.limit.bring_back(bytes);
    }

    /// Whether it is over the limit, or all streams together are.
    pub fn is_over_limit(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > GAUGE_BYTES_MAX || self.limit.room() == Room::Full
    }

    /// What is buffered can't be taken before the record of this item; `true` if that item must be let through now.
    pub fn wait_for(&self, item: Option<u64>) -> bool {
        let awaited = item.map_or(0, |item| item + 1);
        let before = self.awaited.swap(awaited, Ordering::Relaxed);
        awaited != 0 && awaited != before && (self.is_over_limit() || self.limit.room() != Room::Free)
    }

    /// The item that all wait for.
    pub fn awaited(&self) -> Option<u64> {
        self.awaited.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Waits until it is below the limit; one waits at a time.
    pub async fn room(&self) {
        while self.is_over_limit() {
            self.freed.notified().await;
        }
    }
}

impl Drop for ByteGauge {
    fn drop(&mut self) {
        self.limit.bring_back(*self.aside.get_mut());
        self.limit.sub(*self.bytes.get_mut());
    }
}
