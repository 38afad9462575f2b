//! Calls that wait: first come, first served, each with a slot that its answer is handed over in.
//!
//! Whoever makes an answer possible puts it into the slot at once: nobody has to be woken to compete for it. A call
//! that leaves with an answer in its slot gives back what was handed over ([`Undo`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::address::HolderId;
use super::error::ObjectError;

/// The place of a call in its line.
pub(super) type Ticket = u64;

/// What was handed over and must not vanish with the call.
#[derive(Debug, Clone)]
pub(super) enum Undo {
    /// An item, and its place in the queue; of a pipe, which end received it.
    Item { place: u64, item: Bytes, end: usize },
    /// A hold on a lock or semaphore, and whether its call was told that it had come back without a release.
    Hold { token: u64, depth: u32, recovered: bool },
    /// A condition's lock, had anew after a wait, and whether by a notification.
    Woken { token: u64, depth: u32, notified: bool },
}

/// A call's answer, and what it takes with it.
pub(super) type Reply = Result<(Bytes, Option<Undo>), ObjectError>;

/// Where a waiting call finds its answer.
#[derive(Debug, Default)]
pub(super) struct WaitSlot(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    reply: Option<Reply>,
    waker: Option<Waker>,
}

impl WaitSlot {
    /// Hands over. Waking only schedules, it runs nothing: an object's lock may be held here.
    pub fn fill(&self, reply: Reply) {
        let mut content = self.0.lock();
        content.reply = Some(reply);
        let waker = content.waker.take();
        drop(content);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The answer, or a wake-up once it is there.
    pub fn poll(&self, waker: &Waker) -> Poll<Reply> {
        let mut content = self.0.lock();
        if let Some(reply) = content.reply.take() {
            return Poll::Ready(reply);
        }
        if !content.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            content.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    /// The answer, if it is there.
    pub fn take(&self) -> Option<Reply> {
        self.0.lock().reply.take()
    }
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub slot: Arc<WaitSlot>,
    /// Whose death ends it; `None` over HTTP.
    pub holder: Option<HolderId>,
    pub wants: T,
}

/// Those who wait for the same thing, in order.
#[derive(Debug)]
pub(super) struct WaitQueue<T>(BTreeMap<Ticket, Waiter<T>>);

impl<T> Default for WaitQueue<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> WaitQueue<T> {
    pub fn push(&mut self, ticket: Ticket, waiter: Waiter<T>) {
        self.0.insert(ticket, waiter);
    }

    pub fn first(&mut self) -> Option<Waiter<T>> {
        self.0.pop_first().map(|(_, waiter)| waiter)
    }

    pub fn remove(&mut self, ticket: Ticket) -> Option<Waiter<T>> {
        self.0.remove(&ticket)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Waiter<T>> {
        self.0.values()
    }

    /// Takes out those that `chosen` says, in order.
    pub fn take_if(&mut self, mut chosen: impl FnMut(&Waiter<T>) -> bool) -> Vec<(Ticket, Waiter<T>)> {
        self.0.extract_if(.., |_, waiter| chosen(waiter)).collect()
    }

    /// Everybody leaves with this answer.
    pub fn end_all(&mut self, reply: &Reply) {
        for (_, waiter) in std::mem::take(&mut self.0) {
            waiter.slot.fill(reply.clone());
        }
    }

    /// Those leave that `chosen` says.
    pub fn end_if(&mut self, reply: &Reply, chosen: impl FnMut(&Waiter<T>) -> bool) {
        for (_, waiter) in self.take_if(chosen) {
            waiter.slot.fill(reply.clone());
        }
    }
}
