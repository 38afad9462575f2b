//! A call as a future: done in its first poll if it can be, else in a line until its answer comes, its time is up or it
//! is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;

use super::begin::Beginning;
use super::elsewhere::Driven;
use super::entry::{Common, ObjectEntry};
use super::shared_object::MethodOutcome;
use super::wait_queue::{Ticket, Undo, WaitSlot};
use super::{Call, ObjectError, Objects};

/// An answer, with what was handed over by it. If this is dropped, that goes back: the item to its queue, the lock to
/// the next in line.
#[derive(Debug)]
pub struct Delivery {
    text: Bytes,
    back: Option<Back>,
}

/// Gives back at drop, unless there is nothing left to.
#[derive(Debug)]
struct Back {
    undo: Option<Undo>,
    entry: Arc<ObjectEntry>,
    common: Arc<Common>,
}

impl Delivery {
    /// The answer: bare JSON.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// Whether something would go back.
    pub fn goes_back(&self) -> bool {
        self.back.is_some()
    }

    /// The answer has got to whoever called: nothing goes back any more.
    pub fn taken(mut self) -> Bytes {
        if let Some(back) = &mut self.back {
            back.undo = None;
        }
        std::mem::take(&mut self.text)
    }
}

impl Drop for Back {
    fn drop(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        self.entry.soon(&self.common, |object, context| object.undo(undo, context));
    }
}

/// A call that has begun.
#[derive(Debug)]
pub(super) enum Begun {
    Done(Delivery),
    Waits(Waiting),
}

/// A call that waits in a line of its object. If this is dropped, it leaves, and what was handed to it goes back.
#[derive(Debug)]
pub(super) struct Waiting {
    entry: Arc<ObjectEntry>,
    common: Arc<Common>,
    /// `None` once it has its answer.
    ticket: Option<Ticket>,
    slot: Arc<WaitSlot>,
    max_wait: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Begun {
    pub fn new(
        outcome: MethodOutcome,
        entry: Arc<ObjectEntry>,
        common: Arc<Common>,
        max_wait: Option<Duration>,
    ) -> Self {
        match outcome {
            MethodOutcome::Done(text, undo) => {
                let back = undo.map(|undo| Back { undo: Some(undo), entry, common });
                Self::Done(Delivery { text, back })
            }
            MethodOutcome::Wait { ticket, slot, timeout } => {
                let sleep = sleep_of(timeout.or(max_wait));
                Self::Waits(Waiting { entry, common, ticket: Some(ticket), slot, max_wait, sleep })
            }
        }
    }
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Delivery, ObjectError>> {
        while let Some(ticket) = self.ticket {
            if let Poll::Ready(reply) = self.slot.poll(cx.waker()) {
                self.ticket = None;
                return Poll::Ready(reply.map(|(text, undo)| {
                    let (entry, common) = (Arc::clone(&self.entry), Arc::clone(&self.common));
                    Delivery { text, back: undo.map(|undo| Back { undo: Some(undo), entry, common }) }
                }));
            }
            match &mut self.sleep {
                Some(sleep) => ready!(sleep.as_mut().poll(cx)),
                None => return Poll::Pending,
            }
            let slot = Arc::clone(&self.slot);
            self.entry.soon(&self.common, move |object, context| {
                if let Some(reply) = object.late(ticket, context) {
                    slot.fill(reply);
                }
            });
            // Unless that was the answer something else is waited for now (a condition's lock).
            self.sleep = sleep_of(self.max_wait);
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let slot = Arc::clone(&self.slot);
        self.entry.soon(&self.common, move |object, context| {
            // First out of the line: nothing is put into the slot afterwards.
            object.withdraw(ticket, context);
            if let Some(Ok((_, Some(undo)))) = slot.take() {
                object.undo(undo, context);
            }
        });
    }
}

fn sleep_of(time: Option<Duration>) -> Option<Pin<Box<Sleep>>> {
    let until = time.and_then(|time| Instant::now().checked_add(time));
    until.map(|until| Box::pin(tokio::time::sleep_until(until.into())))
}

/// A call on its way.
pub struct Calling {
    objects: Objects,
    state: State,
}

enum State {
    New(Box<Call>),
    /// Its object is not free, or its method runs elsewhere. Dropped, it is not called if it hasn't begun.
    Later(Driven<Begun>),
    Waiting(Waiting),
    Over,
}

impl fmt::Debug for Calling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calling").finish_non_exhaustive()
    }
}

impl Calling {
    pub(super) fn new(objects: Objects, call: Call) -> Self {
        Self { objects, state: State::New(Box::new(call)) }
    }

    /// Whether its object is not free, or its method runs elsewhere: its answer may be large, and is kept until this
    /// is polled.
    pub fn is_delayed(&self) -> bool {
        matches!(self.state, State::Later(_))
    }

    fn begun(&mut self, begun: Result<Begun, ObjectError>) -> Option<Result<Delivery, ObjectError>> {
        match begun {
            Ok(Begun::Waits(waiting)) => {
                self.state = State::Waiting(waiting);
                None
            }
            Ok(Begun::Done(handed)) => Some(Ok(handed)),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Future for Calling {
    type Output = Result<Delivery, ObjectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(_) = &self.state
            && let State::New(call) = std::mem::replace(&mut self.state, State::Over)
        {
            match self.objects.begin(*call) {
                Beginning::Now(begun) => {
                    if let Some(result) = self.begun(begun) {
                        return Poll::Ready(result);
                    }
                }
                Beginning::Later(later) => self.state = State::Later(later),
            }
        }
        if let State::Later(later) = &mut self.state {
            let begun = ready!(later.as_mut().poll(cx));
            self.state = State::Over;
            if let Some(result) = self.begun(begun) {
                return Poll::Ready(result);
            }
        }
        match &mut self.state {
            State::Waiting(waiting) => waiting.poll(cx),
            State::New(_) | State::Later(_) | State::Over => Poll::Pending,
        }
    }
}
