//! One object: its state behind a lock, what it takes of the quota, the watch over its leases.

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
use super::quota::{Charge, OBJECT_BYTES, Quota};
use super::shared_object::{Context, Numbers, Operation, SharedObject};
use super::{Kind, ObjectLimits};

/// An object, by whoever holds it: a call that waits keeps it alive after its removal.
#[derive(Debug)]
pub(super) struct ObjectEntry {
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
    object: Option<Box<dyn SharedObject>>,
    charged: usize,
    watched: bool,
}

/// An object that nobody else can reach until this is dropped.
#[derive(Debug)]
pub(super) struct ObjectGuard {
    entry: Arc<ObjectEntry>,
    state: OwnedMutexGuard<State>,
}

/// What all objects share.
#[derive(Debug)]
pub(super) struct Common {
    pub numbers: Numbers,
    pub quota: Quota,
    pub limits: ObjectLimits,
    /// Where long operations run, and leases are watched: the caller's runtime may end before the objects do.
    pub elsewhere: Elsewhere,
}

/// A new object's state, from the arguments of its constructor.
pub(super) fn made(
    kind: Kind,
    arguments: &Arguments,
    limits: &ObjectLimits,
) -> Result<Box<dyn SharedObject>, ObjectError> {
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

impl ObjectEntry {
    /// One that counts against the quota, and what it was charged.
    pub fn new(
        address: Address,
        made_with: [u64; 2],
        made: (Box<dyn SharedObject>, &Charge<'_>),
        id: u64,
    ) -> Self {
        let (object, charge) = made;
        let charged = OBJECT_BYTES + address.name.len() + object.bytes();
        charge.settle(0, charged);
        let state = State { object: Some(object), charged, watched: false };
        let state = Arc::new(Mutex::new(state));
        Self { id, address, made_with, state, lease_changed: Notify::new() }
    }

    /// Locks it, if it is free.
    pub fn try_lock(self: &Arc<Self>) -> Option<ObjectGuard> {
        let state = Arc::clone(&self.state).try_lock_owned().ok()?;
        Some(ObjectGuard { entry: Arc::clone(self), state })
    }

    /// Locks it after those that came before.
    pub async fn lock(self: &Arc<Self>) -> ObjectGuard {
        ObjectGuard { entry: Arc::clone(self), state: Arc::clone(&self.state).lock_owned().await }
    }

    /// Does something short with its state: at once if it is free, else after those that came before. Nothing if it
    /// was removed.
    pub fn soon(
        self: &Arc<Self>,
        common: &Arc<Common>,
        act: impl FnOnce(&mut dyn SharedObject, Context<'_>) + Send + 'static,
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
        let entry = Arc::clone(self);
        let Some(runtime) = common.elsewhere.runtime() else {
            let state = Arc::clone(&entry.state).blocking_lock_owned();
            return act(&mut ObjectGuard { entry, state });
        };
        let mut lock = Box::pin(async move { entry.lock().await });
        // Polled here, it stands in line from now on.
        match lock.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
            Poll::Ready(mut guard) => act(&mut guard),
            Poll::Pending => drop(runtime.spawn(async move { act(&mut lock.await) })),
        }
    }

    /// When the next lease ends; `None` ends the watch.
    async fn next_due(&self) -> Option<Instant> {
        let mut state = self.state.lock().await;
        let due = state.object.as_ref().and_then(|object| object.due());
        state.watched = due.is_some();
        due
    }
}

impl ObjectGuard {
    pub fn entry(&self) -> &Arc<ObjectEntry> {
        &self.entry
    }

    /// Its state, unless it was removed.
    pub fn object(&self) -> Option<&dyn SharedObject> {
        self.state.object.as_deref()
    }

    /// Does something with its state; leases that are over have ended before. The error is that of an object that was
    /// removed.
    pub fn act<R>(
        &mut self,
        common: &Arc<Common>,
        act: impl FnOnce(&mut dyn SharedObject, Context<'_>) -> R,
    ) -> Result<R, ObjectError> {
        let State { object, charged, watched } = &mut *self.state;
        let Some(object) = object else { return Err(ObjectError::unknown(&self.entry.address)) };
        let charge = common.quota.charge();
        let context = Context {
            numbers: &common.numbers,
            quota: &charge,
            elsewhere: &common.elsewhere,
            answer_bytes_max: common.limits.answer_bytes_max,
            now: Instant::now(),
        };
        if object.due().is_some_and(|due| due <= context.now) {
            object.expire(context);
        }
        let due_before = object.due();
        let result = act(&mut **object, context);
        let charged_before =
            std::mem::replace(charged, OBJECT_BYTES + self.entry.address.name.len() + object.bytes());
        charge.settle(charged_before, *charged);
        let due = object.due();
        if due.is_some() && due != due_before {
            if *watched {
                self.entry.lease_changed.notify_one();
            } else if let Some(runtime) = common.elsewhere.runtime() {
                *watched = true;
                runtime.spawn(watch(Arc::clone(&self.entry), Arc::clone(common)));
            }
        }
        Ok(result)
    }

    fn end(&mut self, common: &Common) {
        let Some(mut object) = self.state.object.take() else { return };
        object.end_waits(&Err(ObjectError::unknown(&self.entry.address)), false);
        common.quota.leave(self.state.charged);
        self.entry.lease_changed.notify_one();
        let cost = object.cost(&Operation::Free);
        common.elsewhere.free(object, cost);
    }
}

/// Ends leases on time while there are any: those who wait must not wait for somebody to look.
async fn watch(entry: Arc<ObjectEntry>, common: Arc<Common>) {
    while let Some(due) = entry.next_due().await {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = entry.lease_changed.notified() => {}
        }
        let _ = entry.lock().await.act(&common, |_, _| ());
    }
}
