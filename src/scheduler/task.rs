//! What a client wants run, and the tasks that workers are handed of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::callable::Callable;
use super::limit::ConcurrencyPermit;
use crate::jobs::{Attempt, JobHandle, Permit, Work};
use crate::json::Splitter;
use crate::transport::{HEADER_BYTES, Kind, ORIGIN_BYTES, Origin, PIPE_PACKET_BYTES, YIELD_RECORD_BYTES};

/// How often a task is sent again whose worker died before it had read it.
const DELIVERIES_MAX: u8 = 3;
/// A task that is expected to take less is done sooner than an idle worker is woken.
pub(crate) const TINY_MAX: Duration = Duration::from_micros(50);

/// What a record costs besides its text, approximately. (What a worker may be ahead of its reader is counted so.)
pub const RECORD_BYTES: usize = YIELD_RECORD_BYTES;

/// Where the records of a stream go, and how much of it is buffered.
pub trait ItemSink: std::fmt::Debug + Send {
    /// Takes the record of an item. A client that has left is not this side's concern.
    fn send(&self, index: u64, record: Bytes);
    /// Whether the client reads too slowly for more to be produced.
    fn is_over_limit(&self) -> bool;
    /// The item without which the client can't take what is buffered.
    fn awaited(&self) -> Option<u64>;
    /// So many more bytes of items wait for their records.
    fn add_input(&self, bytes: usize);
    /// So many bytes of items have all their records.
    fn release_input(&self, bytes: usize);
}

/// A job for a pool.
#[derive(Debug)]
pub struct Submission {
    /// Its handle.
    pub handle: Arc<JobHandle>,
    /// What to call.
    pub function: Arc<Callable>,
    /// With what.
    pub work: Work,
    /// Where the records of a stream go.
    pub sink: Option<Box<dyn ItemSink>>,
    /// Its share of the admission limits.
    pub permit: Permit,
}

/// What one worker is handed at once: a call, or a chunk of a map.
#[derive(Debug)]
pub(crate) struct Task {
    /// Its number on the wire, given at each hand-out.
    pub sequence: u64,
    pub job: u64,
    pub handle: Arc<JobHandle>,
    pub function: Arc<Callable>,
    pub kind: Kind,
    /// The job's tags as a JSON array; empty: none.
    pub tags: Bytes,
    pub payload: Vec<Bytes>,
    pub payload_bytes: usize,
    /// Its first item, from 0.
    pub first_item: u64,
    pub items: u64,
    pub deliveries: u8,
    /// How often it failed and was queued again.
    pub retries: u32,
    /// Whether the store knows of this attempt.
    pub has_begun: bool,
    /// Items whose record has come; of a yielding call, what it has yielded.
    pub delivered: u64,
    /// Of a yielding call: bytes that it yielded and its client has not taken yet.
    pub ahead: usize,
    /// Of a yielding call: its worker is to yield no more.
    pub is_stopped: bool,
    /// How far its list has been split to cut parts of it.
    pub cursor: Option<Box<Cursor>>,
    /// Its share of its function's concurrency limit, from the hand-out on.
    pub permit: Option<ConcurrencyPermit>,
}

/// A position in a list.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// Elements before it.
    at: u64,
    rest: Splitter,
}

impl Cursor {
    /// At the first element of what is left of a list.
    pub fn at(rest: Splitter) -> Box<Self> {
        Box::new(Self { at: 0, rest })
    }
}

impl Task {
    /// This run of it.
    pub fn attempt(&self) -> Attempt {
        Attempt { job: self.handle.id, first_item: self.first_item, number: self.retries + 1 }
    }

    /// What its worker is told of whose it is.
    pub fn origin(&self) -> Origin {
        // Tags are bounded far below.
        let tags_bytes = u32::try_from(self.tags.len()).unwrap_or(u32::MAX);
        Origin { job: self.handle.id.to_bytes(), attempt: self.retries + 1, tags_bytes }
    }

    /// Bytes on the wire behind the header.
    pub fn wire_bytes(&self) -> usize {
        ORIGIN_BYTES + self.tags.len() + self.payload_bytes
    }

    /// Whether it is a chunk of a map.
    pub fn is_map(&self) -> bool {
        self.kind.is_map()
    }

    /// Whether each of its items gets a record.
    pub fn is_per_item(&self) -> bool {
        self.kind.is_per_item()
    }

    /// Whether it is a call of which each thing that it yields is passed on as it comes.
    pub fn is_yielding(&self) -> bool {
        self.kind.is_yielding()
    }

    /// A part of it as a task of its own: `items` items from the `first`th on. Parts that are asked for in order
    /// share one pass over its list.
    pub fn part(&mut self, first: u64, items: u64) -> Option<Self> {
        let list = self.payload.get(1)?;
        let known = self.cursor.take().filter(|cursor| cursor.at <= first);
        let mut cursor = known.unwrap_or_else(|| Cursor::at(Splitter::of_list(list.clone())));
        if cursor.at < first {
            cursor.rest.next_chunk(usize::try_from(first - cursor.at).ok()?)?;
        }
        let own = (items > 1 && cursor.rest.is_indexed()).then(|| Cursor::at(cursor.rest.clone()));
        let (chunk, count) = cursor.rest.next_chunk(usize::try_from(items).ok()?)?;
        cursor.at = first + count as u64;
        self.cursor = Some(cursor);
        let payload = vec![Bytes::from_static(b"["), chunk, Bytes::from_static(b"]")];
        Some(Self {
            sequence: 0,
            job: self.job,
            handle: Arc::clone(&self.handle),
            function: Arc::clone(&self.function),
            kind: self.kind,
            tags: self.tags.clone(),
            payload_bytes: payload.iter().map(Bytes::len).sum(),
            payload,
            first_item: self.first_item + first,
            items: count as u64,
            deliveries: 0,
            retries: self.retries,
            has_begun: false,
            delivered: 0,
            ahead: 0,
            is_stopped: false,
            cursor: own,
            permit: None,
        })
    }

    /// Whether this item of its job is in it.
    pub fn has_item(&self, index: u64) -> bool {
        (self.first_item..self.first_item + self.items).contains(&index)
    }

    /// Whether it travels as one packet.
    pub fn fits_packet(&self) -> bool {
        HEADER_BYTES + self.wire_bytes() <= PIPE_PACKET_BYTES
    }

    /// Bytes of its elements, without the brackets around them.
    pub fn list_bytes(&self) -> usize {
        self.payload_bytes.saturating_sub(2)
    }

    /// Whether it may be sent again after its worker died without having read it.
    pub fn may_be_resent(&self) -> bool {
        self.deliveries < DELIVERIES_MAX
    }

    /// How long it is expected to take, if that is known. What yields takes as long as its client does.
    pub fn expected(&self) -> Option<Duration> {
        if self.is_yielding() { None } else { self.function.state.expected(self.items) }
    }

    /// Whether it is done sooner than an idle worker is woken, and its function has not been slow of late.
    pub fn is_tiny(&self) -> bool {
        self.items == 1
            && self.fits_packet()
            && self.function.state.peak().is_some_and(|peak| peak < TINY_MAX)
    }
}
