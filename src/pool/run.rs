//! A job while it runs: its work cut into tasks, its answers put together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::function::Function;
use super::roster::FLIGHT_TINY_MAX;
use crate::jobs::{Failure, FailureCode, Outcome, Permit, Record, Value};
use crate::json::Splitter;
use crate::transport::{Codec, HEADER_BYTES, Header, Kind, PIPE_PACKET_BYTES};

/// Values at least this large are kept as they came; smaller ones are copied together, so that none holds on
/// to a read buffer.
const PIECE_BYTES_MIN: usize = 32 << 10;
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
    },
    /// One call per element of a JSON array.
    Map {
        /// The array.
        items: Bytes,
        /// Elements a task.
        chunksize: usize,
    },
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
}

impl Task {
    /// Whether it travels as one packet.
    pub fn fits_packet(&self) -> bool {
        HEADER_BYTES + self.payload_bytes <= PIPE_PACKET_BYTES
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

enum Source {
    Call(Option<(Bytes, Option<Bytes>)>),
    Map { items: Splitter, chunksize: usize },
}

/// A job while it runs.
pub(super) struct Run {
    pub record: Arc<Record>,
    function: Arc<Function>,
    source: Source,
    returned: VecDeque<Task>,
    next_chunk: usize,
    next_item: u64,
    exhausted: bool,
    lost_work: bool,
    /// Tasks in flight.
    open: usize,
    /// Values by chunk.
    values: Vec<Option<Bytes>>,
    value_bytes: usize,
    failure: Option<Box<Failure>>,
    _permit: Permit,
}

impl Run {
    pub fn new(submission: Submission) -> Self {
        let Submission { record, function, work, permit } = submission;
        let source = match work {
            Work::Call { arguments, keywords } => Source::Call(Some((arguments, keywords))),
            Work::Map { items, chunksize } => {
                Source::Map { items: Splitter::new(items), chunksize: chunksize.max(1) }
            }
        };
        let exhausted = record.new.total == 0;
        Self {
            record,
            function,
            source,
            returned: VecDeque::new(),
            next_chunk: 0,
            next_item: 0,
            exhausted,
            lost_work: false,
            open: 0,
            values: Vec::new(),
            value_bytes: 0,
            failure: None,
            _permit: permit,
        }
    }

    /// The next task to hand out; it counts as in flight from now on.
    pub fn next_task(&mut self, next_sequence: &mut u64) -> Option<Task> {
        let mut task = match self.returned.pop_front() {
            Some(task) => task,
            None => self.cut()?,
        };
        *next_sequence += 1;
        task.sequence = *next_sequence;
        self.open += 1;
        Some(task)
    }

    fn cut(&mut self) -> Option<Task> {
        if self.exhausted {
            return None;
        }
        let (kind, payload, items) = match &mut self.source {
            Source::Call(call) => {
                self.exhausted = true;
                let (arguments, keywords) = call.take()?;
                match keywords {
                    None => (Kind::Call, vec![arguments], 1),
                    Some(keywords) => {
                        let text = |text: &'static str| Bytes::from_static(text.as_bytes());
                        let payload = vec![text("["), arguments, text(","), keywords, text("]")];
                        (Kind::CallKeywords, payload, 1)
                    }
                }
            }
            Source::Map { items, chunksize } => {
                let Some((chunk, count)) = items.next_chunk(*chunksize) else {
                    self.exhausted = true;
                    return None;
                };
                let payload = vec![Bytes::from_static(b"["), chunk, Bytes::from_static(b"]")];
                (Kind::Map, payload, count as u64)
            }
        };
        let task = Task {
            sequence: 0,
            job: self.record.number,
            record: Arc::clone(&self.record),
            function: Arc::clone(&self.function),
            kind,
            payload_bytes: payload.iter().map(Bytes::len).sum(),
            payload,
            chunk: self.next_chunk,
            first_item: self.next_item,
            items,
            deliveries: 0,
        };
        self.next_chunk += 1;
        self.next_item += items;
        if self.next_item >= self.record.new.total {
            self.exhausted = true;
        }
        Some(task)
    }

    /// A task came back unstarted.
    pub fn give_back(&mut self, task: Task) {
        self.open -= 1;
        self.returned.push_front(task);
        if self.open == 0 && self.value_bytes == 0 && self.failure.is_none() {
            self.record.unstart();
        }
    }

    /// What it calls.
    pub fn function(&self) -> &Function {
        &self.function
    }

    /// Whether any task of it was at the head of a flight.
    pub fn has_started(&self) -> bool {
        self.record.has_started()
    }

    /// Nothing more of it is handed out; for a job that is being cancelled.
    pub fn drop_waiting(&mut self) {
        self.lost_work = self.has_waiting();
        self.returned.clear();
        self.exhausted = true;
    }

    /// Whether work of it was dropped, so that it can have no value any more.
    pub fn has_lost_work(&self) -> bool {
        self.lost_work
    }

    /// Whether some of it waits to be handed out.
    pub fn has_waiting(&self) -> bool {
        !self.returned.is_empty() || !self.exhausted
    }

    /// A task brought its value.
    pub fn succeed(&mut self, task: &Task, value: Bytes, result_bytes_max: usize) {
        self.open -= 1;
        self.record.advance(task.items);
        self.value_bytes += value.len();
        if self.value_bytes > result_bytes_max + self.next_chunk {
            let detail =
                format!("the values together are larger than {result_bytes_max} bytes (--result-limit)");
            let mut failure = Failure::new(FailureCode::ResultTooLarge, detail);
            failure.limit = Some(result_bytes_max);
            self.failure.get_or_insert(Box::new(failure));
        }
        if self.failure.is_some() {
            // As multiprocessing.Pool.map: one failure loses all values.
            self.values = Vec::new();
            return;
        }
        if self.values.len() <= task.chunk {
            self.values.resize(task.chunk + 1, None);
        }
        let large = value.len() >= PIECE_BYTES_MIN;
        self.values[task.chunk] = Some(if large { value } else { Bytes::copy_from_slice(&value) });
    }

    /// A task ended without a value; as `multiprocessing.Pool.map`, the first to arrive is kept and the other
    /// chunks still run.
    pub fn fail(&mut self, task: &Task, failure: Failure) {
        self.open -= 1;
        self.failure.get_or_insert(Box::new(failure));
        self.values = Vec::new();
        debug_assert_eq!(task.job, self.record.number);
    }

    /// Its outcome, once nothing is in flight or waiting.
    pub fn outcome(&mut self) -> Option<Outcome> {
        if self.open > 0 || self.has_waiting() {
            return None;
        }
        if self.lost_work {
            let failure = Failure::new(FailureCode::Cancelled, "the job was cancelled");
            return Some(Outcome::Failure(Box::new(failure)));
        }
        if let Some(failure) = self.failure.take() {
            return Some(Outcome::Failure(failure));
        }
        let values = std::mem::take(&mut self.values).into_iter().flatten();
        Some(Outcome::Value(match self.source {
            Source::Call(_) => Value { pieces: values.collect() },
            Source::Map { .. } => joined(values),
        }))
    }
}

/// One array of the chunks' arrays. Small ones are copied together.
fn joined(chunks: impl Iterator<Item = Bytes>) -> Value {
    let mut pieces = Vec::new();
    let mut small = BytesMut::from(&b"["[..]);
    for (index, chunk) in chunks.enumerate() {
        if index > 0 {
            small.extend_from_slice(b",");
        }
        let inside = chunk.slice(1..chunk.len() - 1);
        if inside.len() < PIECE_BYTES_MIN {
            small.extend_from_slice(&inside);
        } else {
            pieces.push(small.split().freeze());
            pieces.push(inside);
        }
    }
    small.extend_from_slice(b"]");
    pieces.push(small.freeze());
    pieces.retain(|piece| !piece.is_empty());
    Value { pieces }
}
