//! `Queue`, `JoinableQueue`, `SimpleQueue`.
//!
//! An item goes straight to the getter who has waited longest, a free slot to the putter. An item whose getter has left
//! goes back to its place.

use std::collections::VecDeque;

use bytes::Bytes;

use super::arguments::Arguments;
use super::elsewhere::ITEM_COST;
use super::error::{ErrorCode, ObjectError};
use super::quota::{ITEM_BYTES, WAITER_BYTES};
use super::shared_object::{Context, Invocation, Members, MethodOutcome, Operation, SharedObject};
use super::wait_queue::{Reply, Ticket, Undo, WaitQueue};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Plain,
    Joinable,
    Simple,
}

#[derive(Debug)]
pub(super) struct Queue {
    shape: Shape,
    maxsize: i64,
    items: VecDeque<(u64, Bytes)>,
    item_bytes: usize,
    next_place: u64,
    getters: WaitQueue<()>,
    putters: WaitQueue<Bytes>,
    joiners: WaitQueue<()>,
    unfinished: u64,
    closed: bool,
}

impl Queue {
    pub fn new(arguments: &Arguments) -> Result<Self, ObjectError> {
        let shape = match arguments.text("kind")?.as_deref() {
            None | Some("queue") => Shape::Plain,
            Some("joinable") => Shape::Joinable,
            Some("simple") => Shape::Simple,
            Some(_) => return Err(ObjectError::invalid("kind", "kind must be queue, joinable or simple")),
        };
        let maxsize = arguments.integer("maxsize").unwrap_or(0);
        if shape == Shape::Simple && maxsize > 0 {
            return Err(ObjectError::invalid("maxsize", "a simple queue has no maxsize"));
        }
        Ok(Self {
            shape,
            maxsize,
            items: VecDeque::new(),
            item_bytes: 0,
            next_place: 0,
            getters: WaitQueue::default(),
            putters: WaitQueue::default(),
            joiners: WaitQueue::default(),
            unfinished: 0,
            closed: false,
        })
    }

    fn is_full(&self) -> bool {
        usize::try_from(self.maxsize).is_ok_and(|most| most > 0 && self.items.len() >= most)
    }

    fn put(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?;
        self.check_open()?;
        let item = invocation.kept("obj");
        if !self.is_full() {
            self.add(item);
            return Ok(MethodOutcome::null());
        }
        if patience.is_some_and(|time| time.is_zero()) {
            return Err(ObjectError::full());
        }
        let bytes = item.len();
        let outcome = invocation.wait(&mut self.putters, item, patience)?;
        self.item_bytes += bytes;
        Ok(outcome)
    }

    fn get(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?;
        self.check_open()?;
        if let Some((place, item)) = self.items.pop_front() {
            self.item_bytes -= item.len();
            self.fill_slot();
            return Ok(MethodOutcome::Done(item.clone(), Some(Undo::Item { place, item, end: 0 })));
        }
        if patience.is_some_and(|time| time.is_zero()) {
            return Err(ObjectError::empty());
        }
        invocation.wait(&mut self.getters, (), patience)
    }

    /// An item comes in: to the first getter, else to the end.
    fn add(&mut self, item: Bytes) {
        let place = self.next_place;
        self.next_place += 1;
        self.unfinished += 1;
        match self.getters.first() {
            Some(getter) => {
                getter.slot.fill(Ok((item.clone(), Some(Undo::Item { place, item, end: 0 }))));
            }
            None => {
                self.item_bytes += item.len();
                self.items.push_back((place, item));
            }
        }
    }

    /// There may be a free slot: the first putter's item comes in.
    fn fill_slot(&mut self) {
        while !self.is_full()
            && let Some(putter) = self.putters.first()
        {
            self.item_bytes -= putter.wants.len();
            self.add(putter.wants);
            putter.slot.fill(Ok((Bytes::from_static(b"null"), None)));
        }
    }

    fn task_done(&mut self) -> Result<MethodOutcome, ObjectError> {
        if self.unfinished == 0 {
            return Err(ObjectError::raised("ValueError", "task_done() called too many times"));
        }
        self.unfinished -= 1;
        if self.unfinished == 0 {
            self.joiners.end_all(&Ok((Bytes::from_static(b"null"), None)));
        }
        Ok(MethodOutcome::null())
    }

    fn join(&mut self, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        let patience = invocation.patience()?;
        if self.unfinished == 0 {
            return Ok(MethodOutcome::null());
        }
        if patience.is_some_and(|time| time.is_zero()) {
            return Err(not_joined());
        }
        invocation.wait(&mut self.joiners, (), patience)
    }

    fn check_open(&self) -> Result<(), ObjectError> {
        if self.closed { Err(closed()) } else { Ok(()) }
    }
}

fn closed() -> ObjectError {
    ObjectError::new(ErrorCode::Closed, "the queue is closed; it takes and gives nothing more")
        .of_exception("ValueError", "Queue is closed")
}

fn not_joined() -> ObjectError {
    ObjectError::new(ErrorCode::JoinTimeout, "items were still being dealt with when the time was up")
        .of_exception("TimeoutError", "")
}

impl SharedObject for Queue {
    fn call(&mut self, method: &str, invocation: &Invocation<'_>) -> Result<MethodOutcome, ObjectError> {
        match (method, self.shape) {
            ("put", _) => self.put(invocation),
            ("get", _) => self.get(invocation),
            ("empty", _) => Ok(MethodOutcome::bool(self.items.is_empty())),
            ("qsize", Shape::Plain | Shape::Joinable) => Ok(MethodOutcome::number(self.items.len())),
            ("full", Shape::Plain | Shape::Joinable) => Ok(MethodOutcome::bool(self.is_full())),
            ("task_done", Shape::Joinable) => self.task_done(),
            ("join", Shape::Joinable) => self.join(invocation),
            ("close", _) => {
                self.closed = true;
                self.getters.end_all(&Err(closed()));
                for (_, putter) in self.putters.take_if(|_| true) {
                    self.item_bytes -= putter.wants.len();
                    putter.slot.fill(Err(closed()));
                }
                Ok(MethodOutcome::null())
            }
            _ => {
                let what = if self.shape == Shape::Simple { "simple" } else { "plain" };
                let detail = format!("a {what} queue has no method {method}; see `kind` of its making");
                Err(ObjectError::new(ErrorCode::UnknownMethod, detail))
            }
        }
    }

    fn cost(&self, operation: &Operation<'_>) -> usize {
        if matches!(operation, Operation::Free) { self.items.len() * ITEM_COST } else { 0 }
    }

    fn late(&mut self, ticket: Ticket, _: Context<'_>) -> Option<Reply> {
        if self.getters.remove(ticket).is_some() {
            return Some(Err(ObjectError::empty()));
        }
        if let Some(putter) = self.putters.remove(ticket) {
            self.item_bytes -= putter.wants.len();
            return Some(Err(ObjectError::full()));
        }
        self.joiners.remove(ticket).map(|_| Err(not_joined()))
    }

    fn withdraw(&mut self, ticket: Ticket, context: Context<'_>) {
        let _ = self.late(ticket, context);
    }

    fn undo(&mut self, undo: Undo, _: Context<'_>) {
        let Undo::Item { place, item, .. } = undo else { return };
        if self.closed {
            return;
        }
        // Nobody waits while there are items: one that comes back to a line goes to its first.
        match self.getters.first() {
            Some(getter) => {
                getter.slot.fill(Ok((item.clone(), Some(Undo::Item { place, item, end: 0 }))));
            }
            None => {
                self.item_bytes += item.len();
                let at = self.items.partition_point(|(other, _)| *other < place);
                self.items.insert(at, (place, item));
            }
        }
    }

    fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        let left = |holder: Option<_>| !over_http_only || holder.is_none();
        self.getters.end_if(reply, |waiter| left(waiter.holder));
        self.joiners.end_if(reply, |waiter| left(waiter.holder));
        for (_, putter) in self.putters.take_if(|waiter| left(waiter.holder)) {
            self.item_bytes -= putter.wants.len();
            putter.slot.fill(reply.clone());
        }
    }

    fn show(&self, _: bool, out: &mut Members) -> Result<(), ObjectError> {
        let kind = match self.shape {
            Shape::Plain => "queue",
            Shape::Joinable => "joinable",
            Shape::Simple => "simple",
        };
        out.text("kind", kind);
        out.raw("maxsize", self.maxsize.to_string().as_bytes());
        out.number("size", self.items.len());
        out.number("getters", self.getters.len());
        out.number("putters", self.putters.len());
        if self.shape == Shape::Joinable {
            out.raw("unfinished", self.unfinished.to_string().as_bytes());
        }
        out.bool("closed", self.closed);
        Ok(())
    }

    fn bytes(&self) -> usize {
        let waiting = self.getters.len() + self.putters.len() + self.joiners.len();
        self.item_bytes + self.items.len() * ITEM_BYTES + waiting * WAITER_BYTES
    }
}
