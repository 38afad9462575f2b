//! Locks, conditions, events and barriers.

use std::marker::PhantomData;
use std::time::Duration;

use serde::Deserialize;

use super::error::ObjectError;
use super::reference::{Reference, object, timeout};

#[derive(Deserialize)]
struct Acquired {
    acquired: bool,
    #[serde(default)]
    recovered: bool,
}

/// A lock that is held; released when this is dropped. `std::mem::forget` keeps it held.
///
/// It stays in its thread, which is the owner of an `RLock` and a `Condition`.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Guard {
    at: Reference,
    recovered: bool,
    thread: PhantomData<*const ()>,
}

impl Guard {
    /// Whether the one that held it before died: what it protects may be half changed.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.recovered
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It fails only where there is nothing more to release: the object is gone, or the server.
        let _ = self.at.run("release", "");
    }
}

pub(super) fn acquire(at: &Reference, wait: Option<Duration>) -> Result<Option<Guard>, ObjectError> {
    let Acquired { acquired, recovered } = at.ask("acquire", &timeout(wait))?;
    Ok(acquired.then(|| Guard { at: at.clone(), recovered, thread: PhantomData }))
}

/// `acquire` without an end got nothing, which can't be.
pub(super) fn acquire_at_last(at: &Reference) -> Result<Guard, ObjectError> {
    acquire(at, None)?.ok_or_else(|| ObjectError::local("it was not acquired"))
}

macro_rules! lock {
    ($($(#[$doc:meta])* $name:ident, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            at: Reference,
        }

        object!($name, $kind, |at| Self { at });

        impl $name {
            /// Waits until it is this one's.
            pub fn lock(&self) -> Result<Guard, ObjectError> {
                acquire_at_last(&self.at)
            }

            /// The same for some time.
            pub fn lock_timeout(&self, wait: Duration) -> Result<Option<Guard>, ObjectError> {
                acquire(&self.at, Some(wait))
            }

            /// Releases what somebody holds (of an `RLock` and a `Condition`: this thread).
            pub fn release(&self) -> Result<(), ObjectError> {
                self.at.run("release", "")
            }
        }
    )*};
}

lock! {
    /// A lock of the server's, as an argument: `{"$forkpool": "/v1/locks/l"}`.
    Lock, "locks";
    /// A lock that its thread may acquire again: `{"$forkpool": "/v1/rlocks/l"}`.
    RLock, "rlocks";
    /// A semaphore; its lock is one permit: `{"$forkpool": "/v1/semaphores/s"}`.
    Semaphore, "semaphores";
    /// A semaphore that is never above its first value: `{"$forkpool": "/v1/bounded_semaphores/s"}`.
    BoundedSemaphore, "bounded_semaphores";
    /// A condition; to wait and to notify it must be locked: `{"$forkpool": "/v1/conditions/c"}`.
    Condition, "conditions";
}

impl Condition {
    /// Lets the lock go, waits for a notification, and has the lock again.
    pub fn wait(&self) -> Result<(), ObjectError> {
        self.at.run("wait", "")
    }

    /// The same for some time; whether it was notified.
    pub fn wait_timeout(&self, wait: Duration) -> Result<bool, ObjectError> {
        self.at.ask("wait", &timeout(Some(wait)))
    }

    /// Wakes up to `count` of those that wait.
    pub fn notify(&self, count: usize) -> Result<(), ObjectError> {
        self.at.run("notify", &format!("{{\"n\":{count}}}"))
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) -> Result<(), ObjectError> {
        self.at.run("notify_all", "")
    }
}

/// A flag to wait for, as an argument: `{"$forkpool": "/v1/events/e"}`.
#[derive(Clone)]
pub struct Event {
    at: Reference,
}

object!(Event, "events", |at| Self { at });

impl Event {
    /// Sets it.
    pub fn set(&self) -> Result<(), ObjectError> {
        self.at.run("set", "")
    }

    /// Clears it.
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.at.run("clear", "")
    }

    /// Whether it is set.
    pub fn is_set(&self) -> Result<bool, ObjectError> {
        self.at.ask("is_set", "")
    }

    /// Waits until it is set.
    pub fn wait(&self) -> Result<(), ObjectError> {
        self.at.run("wait", "")
    }

    /// The same for some time; whether it is set.
    pub fn wait_timeout(&self, wait: Duration) -> Result<bool, ObjectError> {
        self.at.ask("wait", &timeout(Some(wait)))
    }
}

/// Where a number of parties meet, as an argument: `{"$forkpool": "/v1/barriers/b"}`.
#[derive(Clone)]
pub struct Barrier {
    at: Reference,
}

object!(Barrier, "barriers", |at| Self { at });

impl Barrier {
    /// Waits for the others; each gets another index. The error's code is `broken-barrier` if one doesn't come.
    pub fn wait(&self) -> Result<usize, ObjectError> {
        self.at.ask("wait", "")
    }

    /// The same for some time, after which the barrier is broken for all.
    pub fn wait_timeout(&self, wait: Duration) -> Result<usize, ObjectError> {
        self.at.ask("wait", &timeout(Some(wait)))
    }

    /// Breaks it.
    pub fn abort(&self) -> Result<(), ObjectError> {
        self.at.run("abort", "")
    }

    /// Makes it whole again.
    pub fn reset(&self) -> Result<(), ObjectError> {
        self.at.run("reset", "")
    }
}
