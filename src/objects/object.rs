//! One object: its state behind a lock, what it takes of the room, the watch over its leases.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::address::Address;
use super::arguments::Arguments;
use super::barrier::Barrier;
use super::condition::Condition;
use super::dict::Dict;
use super::error::{ErrorCode, ObjectError};
use super::event::Event;
use super::list::List;
use super::lock::Lock;
use super::namespace::Namespace;
use super::numbers::{SharedArray, SharedValue};
use super::permits::Rule;
use super::pipe::Pipe;
use super::queue::Queue;
use super::room::{Claim, OBJECT_BYTES, Room};
use super::thing::{Context, Numbers, Thing};
use super::{Kind, ObjectLimits};

/// An object, by whoever holds it: a call that waits keeps it alive after its removal.
#[derive(Debug)]
pub(super) struct Object {
    pub id: u64,
    pub address: Address,
    /// Of the arguments that it was made with.
    pub made_with: [u64; 2],
    state: Mutex<State>,
    lease_changed: Notify,
}

#[derive(Debug)]
struct State {
    thing: Box<dyn Thing>,
    charged: usize,
    gone: bool,
    watched: bool,
}

/// What all objects share.
#[derive(Debug)]
pub(super) struct Common {
    pub numbers: Numbers,
    pub room: Room,
    pub limits: ObjectLimits,
    /// Where leases are watched: that of the caller may end before the objects do.
    pub runtime: Option<Handle>,
}

/// A new object's state, from the arguments of its constructor.
pub(super) fn made(
    kind: Kind,
    arguments: &Arguments,
    limits: &ObjectLimits,
) -> Result<Box<dyn Thing>, ObjectError> {
    Ok(match kind {
        Kind::Queues => Box::new(Queue::new(arguments)?),
        Kind::Pipes => Box::new(Pipe::new(arguments)),
        Kind::Locks => Box::new(Lock::new(Rule::Lock, arguments)),
        Kind::RLocks => Box::new(Lock::new(Rule::Owned, arguments)),
        Kind::Semaphores => Box::new(Lock::new(Rule::Semaphore, arguments)),
        Kind::BoundedSemaphores => Box::new(Lock::new(Rule::Bounded, arguments)),
        Kind::Conditions => Box::new(Condition::new()),
        Kind::Events => Box::new(Event::default()),
        Kind::Barriers => Box::new(Barrier::new(arguments, limits.timeout_max)?),
        Kind::Values => Box::new(SharedValue::new(arguments)?),
        Kind::Arrays => Box::new(SharedArray::new(arguments)?),
        Kind::Dicts => Box::new(Dict::new(arguments)?),
        Kind::Lists => Box::new(List::new(arguments)),
        Kind::Namespaces => Box::new(Namespace::new(arguments)?),
    })
}

impl Object {
    /// One that has entered the room, and what it took there.
    pub fn new(address: Address, made_with: [u64; 2], made: (Box<dyn Thing>, &Claim<'_>), id: u64) -> Self {
        let (thing, claim) = made;
        let charged = OBJECT_BYTES + address.name.len() + thing.bytes();
        claim.settle(0, charged);
        let state = State { thing, charged, gone: false, watched: false };
        Self { id, address, made_with, state: Mutex::new(state), lease_changed: Notify::new() }
    }

    /// Does something with its state; leases that are over have ended before. The error is that of an object that was
    /// removed.
    pub fn with<R>(
        self: &Arc<Self>,
        common: &Arc<Common>,
        act: impl FnOnce(&mut dyn Thing, Context<'_>) -> R,
    ) -> Result<R, ObjectError> {
        let mut state = self.state.lock();
        if state.gone {
            return Err(unknown(&self.address));
        }
        let claim = common.room.claim();
        let answer_bytes_max = common.limits.answer_bytes_max;
        let context =
            Context { numbers: &common.numbers, room: &claim, answer_bytes_max, now: Instant::now() };
        if state.thing.due().is_some_and(|due| due <= context.now) {
            state.thing.expire(context);
        }
        let due_before = state.thing.due();
        let result = act(&mut *state.thing, context);
        let charged = OBJECT_BYTES + self.address.name.len() + state.thing.bytes();
        claim.settle(state.charged, charged);
        state.charged = charged;
        let due = state.thing.due();
        if due.is_some() && due != due_before {
            if state.watched {
                self.lease_changed.notify_one();
            } else if let Some(runtime) = &common.runtime {
                state.watched = true;
                runtime.spawn(watch(Arc::clone(self), Arc::clone(common)));
            }
        }
        Ok(result)
    }

    /// Ends it: those who wait are told that it is gone.
    pub fn end(&self, common: &Common) {
        let mut state = self.state.lock();
        state.gone = true;
        state.thing.end_waits(&Err(unknown(&self.address)), false);
        common.room.leave(state.charged);
        self.lease_changed.notify_one();
    }

    /// When the next lease ends; `None` ends the watch.
    fn next_due(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        let due = state.thing.due().filter(|_| !state.gone);
        state.watched = due.is_some();
        due
    }
}

/// Ends leases on time while there are any: those who wait must not wait for somebody to look.
async fn watch(object: Arc<Object>, common: Arc<Common>) {
    while let Some(due) = object.next_due() {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = object.lease_changed.notified() => {}
        }
        let _ = object.with(&common, |_, _| ());
    }
}

/// No such object, or no longer.
pub(super) fn unknown(address: &Address) -> ObjectError {
    let detail = format!("there is no object {address}; PUT makes one, GET /v1/{} lists all", address.kind);
    ObjectError::new(ErrorCode::UnknownObject, detail)
}
