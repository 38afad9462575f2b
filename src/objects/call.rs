//! A call as a future: done in its first poll if it can be, else in a line until its answer comes, its time is up or it
//! is dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::Sleep;

use super::line::{Outcome, Slot, Ticket, Undo};
use super::object::{Common, Object};
use super::thing::Step;
use super::{Call, ObjectError, Objects};

/// An answer, with what was handed over by it. If this is dropped, that goes back: the item to its queue, the lock to
/// the next in line.
#[derive(Debug)]
pub struct Handed {
    text: Bytes,
    back: Option<Back>,
}

/// Gives back at drop, unless there is nothing left to.
#[derive(Debug)]
struct Back {
    undo: Option<Undo>,
    object: Arc<Object>,
    common: Arc<Common>,
}

impl Handed {
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
        let _ = self.object.with(&self.common, |thing, context| thing.undo(undo, context));
    }
}

/// A call on its way.
#[derive(Debug)]
pub struct Calling {
    objects: Objects,
    state: State,
}

#[derive(Debug)]
enum State {
    New(Box<Call>),
    Waiting(Waiting),
    Over,
}

#[derive(Debug)]
struct Waiting {
    object: Arc<Object>,
    ticket: Ticket,
    slot: Arc<Slot>,
    max_wait: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Calling {
    pub(super) fn new(objects: Objects, call: Call) -> Self {
        Self { objects, state: State::New(Box::new(call)) }
    }

    fn begin(&mut self, call: Call) -> Result<Option<Handed>, ObjectError> {
        let max_wait = call.max_wait;
        let over_http = call.caller.holder.is_none();
        let (object, step) = self.objects.begin(call)?;
        match step {
            Step::Done(text, undo) => Ok(Some(self.handed(&object, text, undo))),
            Step::Wait { ticket, slot, timeout } => {
                let limit = timeout.or(max_wait);
                let sleep = limit.and_then(|limit| Instant::now().checked_add(limit)).map(sleep_until);
                self.state = State::Waiting(Waiting { object, ticket, slot, max_wait, sleep });
                if over_http && self.objects.is_closed() {
                    return Err(ObjectError::draining());
                }
                Ok(None)
            }
        }
    }

    fn handed(&self, object: &Arc<Object>, text: Bytes, undo: Option<Undo>) -> Handed {
        let back =
            |undo| Back { undo: Some(undo), object: Arc::clone(object), common: self.objects.common() };
        Handed { text, back: undo.map(back) }
    }

    fn ended(&mut self, outcome: Outcome) -> Result<Handed, ObjectError> {
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Over) else {
            return Err(ObjectError::draining());
        };
        outcome.map(|(text, undo)| self.handed(&waiting.object, text, undo))
    }

    /// The answer of a call that waits, once it is there.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<Handed, ObjectError>> {
        loop {
            let State::Waiting(waiting) = &mut self.state else { return Poll::Pending };
            if let Poll::Ready(outcome) = waiting.slot.poll(cx.waker()) {
                return Poll::Ready(self.ended(outcome));
            }
            match &mut waiting.sleep {
                Some(sleep) => std::task::ready!(sleep.as_mut().poll(cx)),
                None => return Poll::Pending,
            }
            let ticket = waiting.ticket;
            let common = self.objects.common();
            let late = waiting.object.with(&common, |thing, context| thing.late(ticket, context));
            match late {
                Ok(Some(outcome)) => return Poll::Ready(self.ended(outcome)),
                // It is gone: those who waited were told, unless they had been given something before.
                Err(error) => {
                    let told = waiting.slot.take().unwrap_or(Err(error));
                    return Poll::Ready(self.ended(told));
                }
                // Something else is waited for now (a condition's lock).
                Ok(None) => {
                    let more = waiting.max_wait.and_then(|limit| Instant::now().checked_add(limit));
                    waiting.sleep = more.map(sleep_until);
                }
            }
        }
    }
}

fn sleep_until(at: Instant) -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep_until(at.into()))
}

impl Future for Calling {
    type Output = Result<Handed, ObjectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(_) = &self.state
            && let State::New(call) = std::mem::replace(&mut self.state, State::Over)
        {
            match self.begin(*call) {
                Ok(Some(handed)) => return Poll::Ready(Ok(handed)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.poll_waiting(cx)
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let State::Waiting(waiting) = std::mem::replace(&mut self.state, State::Over) else { return };
        // First out of the line: nothing is put into the slot afterwards.
        let ticket = waiting.ticket;
        let common = self.objects.common();
        let _ = waiting.object.with(&common, |thing, context| thing.withdraw(ticket, context));
        if let Some(Ok((text, undo))) = waiting.slot.take() {
            drop(self.handed(&waiting.object, text, undo));
        }
    }
}
