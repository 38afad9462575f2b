//! What every kind of object can do, and what it is given to do it with. The implementations are pure state: they know
//! neither tasks nor timers.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use super::address::{HolderId, ObjectCaller};
use super::arguments::Arguments;
use super::elsewhere::{Elsewhere, LONG_FROM};
use super::error::{ErrorCode, Limit, ObjectError};
use super::quota::{Charge, WAITER_BYTES};
use super::wait_queue::{Reply, Ticket, Undo, WaitQueue, WaitSlot, Waiter};

/// The numbers that are given out.
#[derive(Debug)]
pub(super) struct Numbers {
    tickets: AtomicU64,
    tokens: AtomicU64,
}

impl Numbers {
    /// Tokens begin at the clock's microseconds: they go on growing when an object is made again, and when the server
    /// is.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let first = u64::try_from(now.as_micros()).unwrap_or(1);
        Self { tickets: AtomicU64::new(1), tokens: AtomicU64::new(first) }
    }

    pub fn ticket(&self) -> Ticket {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    pub fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is there whoever calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub numbers: &'a Numbers,
    pub quota: &'a Charge<'a>,
    pub elsewhere: &'a Elsewhere,
    /// Of an answer that is put together.
    pub answer_bytes_max: usize,
    pub now: Instant,
}

/// One call.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub context: Context<'a>,
    pub arguments: &'a Arguments,
    pub caller: &'a ObjectCaller,
    /// Of a pipe.
    pub end: usize,
    /// The longest duration that it may name; `None` in workers.
    pub timeout_max: Option<Duration>,
}

/// What may take long.
#[derive(Debug)]
pub(super) enum Operation<'a> {
    /// To show it with its content.
    Show,
    /// To free it.
    Free,
    /// A method, with its arguments.
    Call(&'a str, &'a Arguments),
}

/// How a call goes on.
#[derive(Debug)]
pub(super) enum MethodOutcome {
    /// It has its answer.
    Done(Bytes, Option<Undo>),
    /// It waits in a line, at most for so long if that was said.
    Wait { ticket: Ticket, slot: Arc<WaitSlot>, timeout: Option<Duration> },
}

impl MethodOutcome {
    pub fn null() -> Self {
        Self::of(b"null")
    }

    pub fn of(text: &'static [u8]) -> Self {
        Self::Done(Bytes::from_static(text), None)
    }

    pub fn bool(truth: bool) -> Self {
        Self::Done(truth_text(truth), None)
    }

    pub fn number(number: usize) -> Self {
        Self::Done(itoa::Buffer::new().format(number).as_bytes().to_vec().into(), None)
    }

    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::Done(text.into(), None)
    }
}

pub(super) fn truth_text(truth: bool) -> Bytes {
    Bytes::from_static(if truth { b"true" } else { b"false" })
}

impl Invocation<'_> {
    /// How long the call may wait: by `block` and `timeout`. `None`: nothing was said.
    pub fn patience(&self) -> Result<Option<Duration>, ObjectError> {
        // A timeout is checked even where it is of no use.
        let timeout = self.seconds("timeout")?;
        Ok(if self.arguments.bool("block") == Some(false) { Some(Duration::ZERO) } else { timeout })
    }

    pub fn seconds(&self, name: &str) -> Result<Option<Duration>, ObjectError> {
        self.arguments.seconds(name, self.timeout_max)
    }

    /// Enters the queue.
    pub fn wait<T>(
        &self,
        queue: &mut WaitQueue<T>,
        wants: T,
        timeout: Option<Duration>,
    ) -> Result<MethodOutcome, ObjectError> {
        self.charge_wait()?;
        Ok(self.enqueue(queue, wants, timeout))
    }

    /// Takes what a waiting call costs.
    pub fn charge_wait(&self) -> Result<(), ObjectError> {
        self.context.quota.bytes(WAITER_BYTES)
    }

    /// Enters the queue; it was charged.
    pub fn enqueue<T>(&self, queue: &mut WaitQueue<T>, wants: T, timeout: Option<Duration>) -> MethodOutcome {
        let slot = Arc::new(WaitSlot::default());
        let ticket = self.context.numbers.ticket();
        queue.push(ticket, Waiter { slot: Arc::clone(&slot), holder: self.caller.holder, wants });
        MethodOutcome::Wait { ticket, slot, timeout }
    }

    /// A value that was checked to be there.
    pub fn kept(&self, name: &str) -> Bytes {
        self.arguments.kept(name).unwrap_or_else(|| Bytes::from_static(b"null"))
    }
}

/// An object's state.
pub(super) trait SharedObject: Debug + Send {
    /// A method. What can be done at once is done at once.
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError>;

    /// What an operation costs: about how many bytes of JSON it reads and writes.
    fn cost(&self, operation: &Operation<'_>) -> usize {
        let _ = operation;
        0
    }

    /// Whether an operation would keep the server's thread too long.
    fn is_long(&self, operation: &Operation<'_>) -> bool {
        self.cost(operation) >= LONG_FROM
    }

    /// The time of a waiting call is up: its answer, or `None` if it goes on waiting for something else.
    fn late(&mut self, ticket: Ticket, context: Context<'_>) -> Option<Reply>;

    /// A waiting call leaves.
    fn withdraw(&mut self, ticket: Ticket, context: Context<'_>);

    /// What was handed to a call that has left comes back.
    fn undo(&mut self, undo: Undo, context: Context<'_>) {
        let _ = (undo, context);
    }

    /// A process has died.
    fn died(&mut self, holder: HolderId, context: Context<'_>) {
        let _ = (holder, context);
    }

    /// A process has ended as it should: what it holds stays held, and its name can be forgotten.
    fn returned(&mut self, holder: HolderId) {
        let _ = holder;
    }

    /// Whether a process' death can matter to it.
    fn is_held(&self) -> bool {
        false
    }

    /// Those who wait leave with this answer: all, or those over HTTP.
    fn end_waits(&mut self, reply: &Reply, over_http_only: bool);

    /// Its arguments and state as JSON members; its content too if `whole`.
    fn show(&self, whole: bool, out: &mut Members) -> Result<(), ObjectError>;

    /// What it holds, in bytes.
    fn bytes(&self) -> usize;

    /// When the first lease ends.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Ends the leases that are over.
    fn expire(&mut self, context: Context<'_>) {
        let _ = context;
    }

    /// The memory that workers may map.
    fn memory(&self) -> Option<super::SharedMemory> {
        None
    }
}

/// Writes a JSON object.
#[derive(Debug)]
pub(super) struct Members(Vec<u8>, usize);

impl Members {
    /// Of so many bytes at most, as far as its content is concerned.
    pub fn new(bytes_max: usize) -> Self {
        Self(Vec::new(), bytes_max)
    }

    /// How many bytes a content may have.
    pub fn bytes_max(&self) -> usize {
        self.1
    }

    pub fn raw(&mut self, name: &str, value: &[u8]) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0.extend_from_slice(value);
    }

    pub fn text(&mut self, name: &str, value: &str) {
        self.raw(name, &serde_json::to_vec(value).unwrap_or_default());
    }

    pub fn number(&mut self, name: &str, value: usize) {
        self.raw(name, itoa::Buffer::new().format(value).as_bytes());
    }

    pub fn bool(&mut self, name: &str, value: bool) {
        self.raw(name, &truth_text(value));
    }

    pub fn finish(mut self) -> Bytes {
        self.0.extend_from_slice(if self.0.is_empty() { b"{}" } else { b"}" });
        self.0.into()
    }
}

/// A JSON array of at most so many bytes; `write` writes an item.
pub(super) fn array_of<T>(
    items: impl Iterator<Item = T>,
    bytes_max: usize,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Result<(), ObjectError>,
) -> Result<Vec<u8>, ObjectError> {
    // Each item is a byte and a comma at least: what can't fit is not begun.
    if items.size_hint().0.saturating_mul(2) > bytes_max {
        return Err(too_large(bytes_max));
    }
    let mut text = vec![b'['];
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write(item, &mut text)?;
        if text.len() >= bytes_max {
            return Err(too_large(bytes_max));
        }
    }
    text.push(b']');
    Ok(text)
}

/// A JSON array of raw texts.
pub(super) fn array<'a>(
    items: impl Iterator<Item = &'a [u8]>,
    bytes_max: usize,
) -> Result<Vec<u8>, ObjectError> {
    array_of(items, bytes_max, |item, text| {
        text.extend_from_slice(item);
        Ok(())
    })
}

/// A JSON array of pairs of raw texts.
pub(super) fn pairs<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    items: impl Iterator<Item = (K, V)>,
    bytes_max: usize,
) -> Result<Vec<u8>, ObjectError> {
    array_of(items, bytes_max, |(key, value), text| {
        for part in [&b"["[..], key.as_ref(), b",", value.as_ref(), b"]"] {
            text.extend_from_slice(part);
        }
        Ok(())
    })
}

fn too_large(bytes_max: usize) -> ObjectError {
    let detail =
        format!("the answer would be larger than {bytes_max} bytes; ask for a part of it, if it has any");
    ObjectError::limited(ErrorCode::ResultTooLarge, Limit::AnswerBytes, bytes_max, detail)
}
