//! Long operations run on tokio's blocking pool, so that the server's thread goes on meanwhile.
//!
//! An operation says its cost beforehand (`SharedObject::cost`). A long one takes its object with it: the object stays
//! locked until it is over, and other calls of it wait in order, as if it were atomic.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};

use super::error::ObjectError;

/// An operation of this cost is long. The unit is about a byte of JSON read or written; on a slow machine 64 KiB take a
/// millisecond or two.
pub(super) const LONG_FROM: usize = 64 << 10;
/// Cost of an item of a container, besides its text.
pub(super) const ITEM_COST: usize = 16;
/// Long operations that run at once, of all objects: each may build an answer of the largest size. More wait.
const LONG_AT_ONCE_MAX: usize = 4;

/// Arguments that are read at once. Those take a bounded time and wait for no operation.
const READ_AT_ONCE_MAX: usize = 4;

/// Where long operations run.
#[derive(Debug)]
pub(super) struct Elsewhere {
    operations: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    /// `None` outside of a runtime: then everything runs at once.
    runtime: Option<Handle>,
}

impl Elsewhere {
    /// In the runtime that this is called in.
    pub fn new() -> Self {
        Self {
            operations: Arc::new(Semaphore::new(LONG_AT_ONCE_MAX)),
            reads: Arc::new(Semaphore::new(READ_AT_ONCE_MAX)),
            runtime: Handle::try_current().ok(),
        }
    }

    pub fn runtime(&self) -> Option<&Handle> {
        self.runtime.as_ref()
    }

    /// Runs `work` on the blocking pool, once fewer than [`LONG_AT_ONCE_MAX`] others run. If this future is dropped,
    /// work that has begun goes on, and its result is dropped.
    pub async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, ObjectError> {
        self.run_with(&self.operations, work).await
    }

    /// The same for the reading of arguments.
    pub async fn read<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, ObjectError> {
        self.run_with(&self.reads, work).await
    }

    async fn run_with<R: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, ObjectError> {
        let Some(runtime) = &self.runtime else { return Ok(work()) };
        let permit = Arc::clone(permits).acquire_owned().await;
        let done = runtime.spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        ended(done.await)
    }

    /// Lets nothing long begin until the answer is dropped.
    #[cfg(test)]
    pub async fn occupied(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(LONG_AT_ONCE_MAX).expect("a small number");
        Arc::clone(&self.operations).acquire_many_owned(all).await.expect("it is never closed")
    }

    /// Goes on with `work` in a task of its own, whoever polls the answer: who waits for an object's lock is given it
    /// and must take it. If the answer is dropped, the work ends where it waits.
    pub fn drive<R: Send + 'static>(
        &self,
        work: impl Future<Output = Result<R, ObjectError>> + Send + 'static,
    ) -> Driven<R> {
        let mut work: Driven<R> = Box::pin(work);
        // Polled here, it stands in line from now on.
        if let Poll::Ready(result) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Box::pin(std::future::ready(result));
        }
        let Some(runtime) = &self.runtime else { return work };
        let mut task = AbortOnDrop(runtime.spawn(work));
        Box::pin(async move { ended((&mut task.0).await)? })
    }

    /// Frees content, at this cost: a million allocations take tens of milliseconds.
    pub fn free(&self, content: impl Send + 'static, cost: usize) {
        match &self.runtime {
            Some(runtime) if cost >= LONG_FROM => drop(runtime.spawn_blocking(move || drop(content))),
            _ => drop(content),
        }
    }
}

/// Work on its way.
pub(super) type Driven<R> = Pin<Box<dyn Future<Output = Result<R, ObjectError>> + Send>>;

struct AbortOnDrop<R>(JoinHandle<R>);

impl<R> Drop for AbortOnDrop<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn ended<R>(result: Result<R, JoinError>) -> Result<R, ObjectError> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        // The runtime is shutting down.
        Err(_) => ObjectError::draining(),
    })
}

/// The sum of costs, as far as it matters whether it is long.
pub(super) fn sum_until_long(costs: impl Iterator<Item = usize>) -> usize {
    let mut sum = 0;
    for cost in costs {
        if sum >= LONG_FROM {
            break;
        }
        sum += cost.saturating_add(ITEM_COST);
    }
    sum
}
