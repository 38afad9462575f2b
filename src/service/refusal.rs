//! Why the service does not do what was asked, as one closed list. Nothing of the request was run, but where a variant
//! says otherwise.

use std::sync::Arc;
use std::time::Duration;

use super::answer::Replay;
use crate::catalog::Function;
use crate::config::Limits;
use crate::jobs::{JobHandle, KeysFull, Overloaded};
use crate::objects::{ErrorCode, ObjectError};
use crate::pool::{BootFailure, BootReason, Pool, TooManyWorkers};
use crate::processes::NotStarted;

/// Why not.
#[derive(Debug)]
pub enum Refusal {
    /// The server loads code and makes workers.
    Starting,
    /// The server goes down.
    Draining,
    /// No such function.
    UnknownFunction {
        /// What was asked for.
        name: String,
        /// Names near it.
        near: Vec<String>,
    },
    /// No such pool.
    UnknownPool {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<Arc<str>>,
    },
    /// The pool asked for runs functions of another runtime.
    WrongPool(Arc<Function>, Pool),
    /// The pool takes no more work.
    PoolClosed(Pool),
    /// The function has killed so many workers that it rests for so long.
    Quarantined(Arc<Function>, Duration),
    /// Too much is accepted and not finished.
    Overloaded(Overloaded),
    /// The idempotency key was sent with another request before.
    KeyMismatch,
    /// The same request was sent under the same idempotency key, and its job is no longer there.
    KeyExpired,
    /// There is no room to remember another idempotency key.
    KeysFull(KeysFull),
    /// Something that was asked for can't be.
    Invalid {
        /// The member of the request.
        member: &'static str,
        /// Why not.
        detail: String,
    },
    /// No such job, or it was forgotten.
    UnknownJob,
    /// The job expired.
    Expired,
    /// The job is older than this server, which keeps jobs in memory.
    LostAtRestart,
    /// Only a job that has ended can be forgotten.
    NotFinished(Arc<JobHandle>),
    /// The job was not ready in time (`AsyncResult.get`: `TimeoutError`).
    ResultTimeout(Arc<JobHandle>, Duration),
    /// There is a pool of this name.
    PoolExists(Arc<str>),
    /// All pools together would have too many workers.
    TooManyWorkers(TooManyWorkers),
    /// The workers of a new pool can't become ready; its code may have been loaded, its initializer run.
    Boot(Arc<BootFailure>),
    /// The workers of a new pool did not become ready in time.
    NotMade(Pool),
    /// The pool lasts as long as the server.
    PoolPermanent(Pool),
    /// `ValueError: Pool is still running`.
    PoolRunning(Pool),
    /// A closed pool had not ended its work in time (`TimeoutError`).
    JoinTimeout(Pool, Duration),
    /// A pool made at start has no worker that takes tasks.
    Unavailable(Pool),
    /// No such Process, or it was forgotten.
    UnknownProcess,
    /// No Process was started.
    NotStarted {
        /// What it was to run.
        target: Arc<str>,
        /// Why not.
        reason: NotStarted,
    },
    /// What a shared object says; its method may have run.
    Object(ObjectError),
}

impl Refusal {
    /// What a repetition under the same idempotency key is to find.
    pub fn replay(&self, limits: &Limits) -> Replay {
        let is_final = match self {
            Self::Boot(failure) => failure.reason != BootReason::Memory,
            Self::NotStarted { reason, .. } => {
                matches!(reason, NotStarted::Arguments { unknown_ref: false, .. })
            }
            Self::Object(error) => matches!(
                error.code,
                ErrorCode::MethodRaised | ErrorCode::ResultNotJson | ErrorCode::ResultTooLarge
            ),
            Self::Starting
            | Self::Draining
            | Self::UnknownFunction { .. }
            | Self::UnknownPool { .. }
            | Self::WrongPool(..)
            | Self::PoolClosed(_)
            | Self::Quarantined(..)
            | Self::Overloaded(_)
            | Self::KeyMismatch
            | Self::KeyExpired
            | Self::KeysFull(_)
            | Self::Invalid { .. }
            | Self::UnknownJob
            | Self::Expired
            | Self::LostAtRestart
            | Self::NotFinished(_)
            | Self::ResultTimeout(..)
            | Self::PoolExists(_)
            | Self::TooManyWorkers(_)
            | Self::NotMade(_)
            | Self::PoolPermanent(_)
            | Self::PoolRunning(_)
            | Self::JoinTimeout(..)
            | Self::Unavailable(_)
            | Self::UnknownProcess => false,
        };
        if is_final { Replay::For(limits.idempotency_ttl) } else { Replay::AskAnew }
    }
}

impl From<ObjectError> for Refusal {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<Overloaded> for Refusal {
    fn from(overloaded: Overloaded) -> Self {
        Self::Overloaded(overloaded)
    }
}
