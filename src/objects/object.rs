//! One object: its state behind a lock, what it takes of the room, the watch over its leases.

use std::future::Future;
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::Instant;

use tokio::sync::{Mutex, Notify, OwnedMutexGuard};

use super::address::Address;
use super::arguments::Arguments;
use super::barrier::Barrier;
use super::condition::Condition;
use super::dict::Dict;
use super::elsewhere::Elsewhere;
use super::error::ObjectError;
use super::event::Event;
use super::list::List;
use super::lock::Lock;
use super::namespace::Namespace;
use super::numbers::{SharedArray, SharedValue};
use super::permits::Rule;
use super::pipe::Pipe;
use super::queue::Queue;
use super::room::{Claim, OBJECT_BYTES, Room};
use super::thing::{Context, Numbers, Operation, Thing};
use super::{Kind, ObjectLimits};

/// An object, by whoever holds it: a call that waits keeps it alive after its removal.
#[derive(Debug)]
pub(super) struct Object {
    pub id: u64,
    pub address: Address,
    /// Of the arguments that it was made with.
    pub made_with: [u64; 2],
    /// Locked for as long as an operation runs, in the order in which they came. It is free whenever the server's
    /// thread looks, unless a long operation runs elsewhere.
    state: Arc<Mutex<State>>,
    lease_changed: Notify,
}

#[derive(Debug)]
struct State {
    /// `None` once the object was removed.
    thing: Option<Box<dyn Thing>>,
    charged: usize,
    watched: bool,
}

/// An object that nobody else can reach until this is dropped.
#[derive(Debug)]
pub(super) struct ObjectGuard {
    object: Arc<Object>,
    state: OwnedMutexGuard<State>,
}

/// What all objects share.
#[derive(Debug)]
pub(super) struct Common {
    pub numbers: Numbers,
    pub room: Room,
    pub limits: ObjectLimits,
    /// Where long operations run, and leases are watched: the caller's runtime may end before the objects do.
    pub elsewhere: Elsewhere,
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
        let state = State { thing: Some(thing), charged, watched: false };
        let state = Arc::new(Mutex::new(state));
        Self { id, address, made_with, state, lease_changed: Notify::new() }
    }

    /// Locks it, if it is free.
    pub fn try_lock(self: &Arc<Self>) -> Option<ObjectGuard> {
        let state = Arc::clone(&self.state).try_lock_owned().ok()?;
        Some(ObjectGuard { object: Arc::clone(self), state })
    }

    /// Locks it after those that came before.
    pub async fn lock(self: &Arc<Self>) -> ObjectGuard {
        ObjectGuard { object: Arc::clone(self), state: Arc::clone(&self.state).lock_owned().await }
    }

    /// Does something short with its state: at once if it is free, else after those that came before. Nothing if it
    /// was removed.
    pub fn soon(
        self: &Arc<Self>,
        common: &Arc<Common>,
        act: impl FnOnce(&mut dyn Thing, Context<'_>) + Send + 'static,
    ) {
        let with = Arc::clone(common);
        self.soon_guarded(common, move |guard| drop(guard.act(&with, act)));
    }

    /// Ends it: those who wait are told that it is gone.
    pub fn end(self: &Arc<Self>, common: &Arc<Common>) {
        let with = Arc::clone(common);
        self.soon_guarded(common, move |guard| guard.end(&with));
    }

    fn soon_guarded(
        self: &Arc<Self>,
        common: &Arc<Common>,
        act: impl FnOnce(&mut ObjectGuard) + Send + 'static,
    ) {
        if let Some(mut guard) = self.try_lock() {
            return act(&mut guard);
        }
        let object = Arc::clone(self);
        let Some(runtime) = common.elsewhere.runtime() else {
            let state = Arc::clone(&object.state).blocking_lock_owned();
            return act(&mut ObjectGuard { object, state });
        };
        let mut lock = Box::pin(async move { object.lock().await });
        // Polled here, it stands in line from now on.
        match lock.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
            Poll::Ready(mut guard) => act(&mut guard),
            Poll::Pending => drop(runtime.spawn(async move { act(&mut lock.await) })),
        }
    }

    /// When the next lease ends; `None` ends the watch.
    async fn next_due(&self) -> Option<Instant> {
        let mut state = self.state.lock().await;
        let due = state.thing.as_ref().and_then(|thing| thing.due());
        state.watched = due.is_some();
        due
    }
}

impl ObjectGuard {
    pub fn object(&self) -> &Arc<Object> {
        &self.object
    }

    /// Its state, unless it was removed.
    pub fn thing(&self) -> Option<&dyn Thing> {
        self.state.thing.as_deref()
    }

    /// Does something with its state; leases that are over have ended before. The error is that of an object that was
    /// removed.
    pub fn act<R>(
        &mut self,
        common: &Arc<Common>,
        act: impl FnOnce(&mut dyn Thing, Context<'_>) -> R,
    ) -> Result<R, ObjectError> {
        let State { thing, charged, watched } = &mut *self.state;
        let Some(thing) = thing else { return Err(ObjectError::unknown(&self.object.address)) };
        let claim = common.room.claim();
        let context = Context {
            numbers: &common.numbers,
            room: &claim,
            elsewhere: &common.elsewhere,
            answer_bytes_max: common.limits.answer_bytes_max,
            now: Instant::now(),
        };
        if thing.due().is_some_and(|due| due <= context.now) {
            thing.expire(context);
        }
        let due_before = thing.due();
        let result = act(&mut **thing, context);
        let charged_before =
            std::mem::replace(charged, OBJECT_BYTES + self.object.address.name.len() + thing.bytes());
        claim.settle(charged_before, *charged);
        let due = thing.due();
        if due.is_some() && due != due_before {
            if *watched {
                self.object.lease_changed.notify_one();
            } else if let Some(runtime) = common.elsewhere.runtime() {
                *watched = true;
                runtime.spawn(watch(Arc::clone(&self.object), Arc::clone(common)));
            }
        }
        Ok(result)
    }

    fn end(&mut self, common: &Common) {
        let Some(mut thing) = self.state.thing.take() else { return };
        thing.end_waits(&Err(ObjectError::unknown(&self.object.address)), false);
        common.room.leave(self.state.charged);
        self.object.lease_changed.notify_one();
        let cost = thing.cost(&Operation::Free);
        common.elsewhere.free(thing, cost);
    }
}

/// Ends leases on time while there are any: those who wait must not wait for somebody to look.
async fn watch(object: Arc<Object>, common: Arc<Common>) {
    while let Some(due) = object.next_due().await {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = object.lease_changed.notified() => {}
        }
        let _ = object.lock().await.act(&common, |_, _| ());
    }
}
