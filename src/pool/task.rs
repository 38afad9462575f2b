//! What a client wants run, and the pieces of it that workers are handed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::function::Function;
use super::roster::FLIGHT_TINY_MAX;
use super::share::Slot;
use crate::jobs::{Permit, Record};
use crate::json::Splitter;
use crate::transport::{Codec, HEADER_BYTES, Header, Kind, PIPE_PACKET_BYTES};

/// A task whose worker dies while it is still being sent is sent again, so often.
const DELIVERIES_MAX: u8 = 3;

/// What a client wants run.
#[derive(Debug)]
pub enum Work {
    /// One call: a JSON array of positional arguments and maybe an object of named ones.
    Call {
        /// The array.
        arguments: Bytes,
        /// The object.
        keywords: Option<Bytes>,
        /// Whether the worker is to convert them to the types that the function says.
        typed: bool,
    },
    /// One call per element of a JSON array.
    Map {
        /// The array.
        items: Bytes,
        /// Elements a task.
        chunksize: usize,
        /// Whether each element is an array of arguments.
        spread: bool,
        /// A record per item, instead of all values or none.
        collect: bool,
    },
    /// One call per item of a stream of its own.
    Feed {
        /// Whether each item is an array of arguments.
        spread: bool,
        /// Where the records go, as each is ready.
        sink: Sink,
    },
}

/// Where the records of a stream go.
#[derive(Debug)]
pub struct Sink {
    /// Each with its item's index.
    pub records: mpsc::UnboundedSender<(u64, Bytes)>,
    /// Bytes of items that were fed and have no record yet; they hold back the feeding.
    pub fed: Arc<Held>,
    /// Bytes of records that the client hasn't taken yet; they hold back the hand-out.
    pub held: Arc<Held>,
}

/// So many bytes at one end of a stream hold back the other.
const HELD_BYTES_MAX: usize = 4 << 20;

/// Bytes at one end of a stream.
#[derive(Debug, Default)]
pub struct Held {
    bytes: AtomicUsize,
    freed: Notify,
    /// One more than the index of the record that those held wait for; 0: they wait for none.
    awaited: AtomicU64,
}

impl Held {
    /// None yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// More.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Less; `true` if there is room again.
    pub fn sub(&self, bytes: usize) -> bool {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        let freed = before > HELD_BYTES_MAX && before - bytes <= HELD_BYTES_MAX;
        if freed {
            self.freed.notify_one();
        }
        freed
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > HELD_BYTES_MAX
    }

    /// What is held can't be taken before the record of this item; `true` if that item must be let through now.
    pub fn wait_for(&self, item: Option<u64>) -> bool {
        let awaited = item.map_or(0, |item| item + 1);
        let before = self.awaited.swap(awaited, Ordering::Relaxed);
        awaited != 0 && awaited != before && self.is_full()
    }

    /// The item that all wait for.
    pub fn awaited(&self) -> Option<u64> {
        self.awaited.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Waits for room; one waits at a time.
    pub async fn room(&self) {
        while self.is_full() {
            self.freed.notified().await;
        }
    }
}

/// A job for a pool.
#[derive(Debug)]
pub struct Submission {
    /// Its record.
    pub record: Arc<Record>,
    /// What to call.
    pub function: Arc<Function>,
    /// With what.
    pub work: Work,
    /// Its place in the queue.
    pub permit: Permit,
}

/// What one worker is handed at once.
#[derive(Debug)]
pub(super) struct Task {
    pub sequence: u64,
    pub job: u64,
    pub record: Arc<Record>,
    pub function: Arc<Function>,
    pub kind: Kind,
    pub payload: Vec<Bytes>,
    pub payload_bytes: usize,
    /// Which chunk of its job.
    pub chunk: usize,
    /// Its first item, from 0.
    pub first_item: u64,
    pub items: u64,
    pub deliveries: u8,
    /// How often it ended without a value and is to be run again.
    pub retries: u32,
    /// Items of which the record has come.
    pub told: u64,
    /// How far its list has been looked through for parts of it.
    pub walk: Option<Box<Walk>>,
    /// Its share of what its function may run at once, from its hand-out on.
    pub slot: Option<Slot>,
}

/// A way through a list, from the front.
#[derive(Debug)]
pub(super) struct Walk {
    /// Elements that lie behind.
    at: u64,
    rest: Splitter,
}

impl Task {
    /// It is at the head of a flight now.
    pub fn begin(&self) {
        self.record.start();
        if self.retries > 0 {
            self.record.attempt(self.retries + 1);
        }
    }

    /// Whether it is a chunk of a map.
    pub fn is_map(&self) -> bool {
        self.is_each() || matches!(self.kind, Kind::Map | Kind::Starmap)
    }

    /// Whether each of its items gets a record.
    pub fn is_each(&self) -> bool {
        matches!(self.kind, Kind::MapEach | Kind::StarmapEach)
    }

    /// A part of it as a task of its own: `items` items from the `first`th on. Parts that are asked for in order
    /// cost one walk through its list together.
    pub fn part(&mut self, first: u64, items: u64) -> Option<Self> {
        let list = self.payload.get(1)?;
        let begun = self.walk.take().filter(|walk| walk.at <= first);
        let mut walk =
            begun.unwrap_or_else(|| Box::new(Walk { at: 0, rest: Splitter::of_list(list.clone()) }));
        if walk.at < first {
            walk.rest.next_chunk(usize::try_from(first - walk.at).ok()?)?;
        }
        let (chunk, count) = walk.rest.next_chunk(usize::try_from(items).ok()?)?;
        walk.at = first + count as u64;
        self.walk = Some(walk);
        let payload = vec![Bytes::from_static(b"["), chunk, Bytes::from_static(b"]")];
        Some(Self {
            sequence: 0,
            job: self.job,
            record: Arc::clone(&self.record),
            function: Arc::clone(&self.function),
            kind: self.kind,
            payload_bytes: payload.iter().map(Bytes::len).sum(),
            payload,
            chunk: self.chunk,
            first_item: self.first_item + first,
            items: count as u64,
            deliveries: 0,
            retries: self.retries,
            told: 0,
            walk: None,
            slot: None,
        })
    }

    /// Whether this item of its job is one of its own.
    pub fn has_item(&self, index: u64) -> bool {
        (self.first_item..self.first_item + self.items).contains(&index)
    }

    /// Whether it travels as one packet.
    pub fn fits_packet(&self) -> bool {
        HEADER_BYTES + self.payload_bytes <= PIPE_PACKET_BYTES
    }

    /// Bytes of its elements, without the brackets around them.
    pub fn list_bytes(&self) -> usize {
        self.payload_bytes.saturating_sub(2)
    }

    /// Whether it may be sent once more after a death in the middle of sending.
    pub fn may_be_resent(&self) -> bool {
        self.deliveries < DELIVERIES_MAX
    }

    /// How long it is expected to take, if anyone knows.
    pub fn expected(&self) -> Option<Duration> {
        self.function.expected(self.items)
    }

    /// Whether it is quicker done than another worker woken, and its function has not been slow of late.
    pub fn is_tiny(&self) -> bool {
        self.items == 1
            && self.fits_packet()
            && self.function.peak().is_some_and(|peak| peak < FLIGHT_TINY_MAX)
    }

    /// Its header, for a worker whose code knows the function by this index.
    pub fn header(&self, function: u32) -> Header {
        Header {
            kind: self.kind,
            codec: Codec::Json,
            detail: function,
            sequence: self.sequence,
            length: self.payload_bytes as u64,
        }
    }
}
