//! Long operations run on tokio's blocking pool, so that the server's thread goes on meanwhile.
//!
//! An operation says its cost beforehand ([`Thing::cost`](super::thing::Thing::cost)). A long one takes its object with
//! it: the object stays locked until it is over, and other calls of it wait in order, as if it were atomic.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::error::ObjectError;

/// An operation of this cost is long. The unit is about a byte of JSON read or written; on a slow machine 64 KiB take a
/// millisecond or two.
pub(super) const LONG_FROM: usize = 64 << 10;
/// Cost of an item of a container, besides its text.
pub(super) const ITEM_COST: usize = 16;
/// Long operations that run at once, of all objects: each may build an answer of the largest size. More wait.
const LONG_AT_ONCE_MAX: usize = 4;

/// Where long operations run.
#[derive(Debug)]
pub(super) struct Elsewhere {
    permits: Arc<Semaphore>,
    /// `None` outside of a runtime: then everything runs at once.
    runtime: Option<Handle>,
}

impl Elsewhere {
    /// In the runtime that this is called in.
    pub fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(LONG_AT_ONCE_MAX)), runtime: Handle::try_current().ok() }
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
        let Some(runtime) = &self.runtime else { return Ok(work()) };
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let done = runtime.spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        done.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => ObjectError::draining(),
        })
    }

    /// Lets nothing long begin until the answer is dropped.
    #[cfg(test)]
    pub async fn occupied(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(LONG_AT_ONCE_MAX).expect("a small number");
        Arc::clone(&self.permits).acquire_many_owned(all).await.expect("it is never closed")
    }

    /// Frees content, at this cost: a million allocations take tens of milliseconds.
    pub fn free(&self, content: impl Send + 'static, cost: usize) {
        match &self.runtime {
            Some(runtime) if cost >= LONG_FROM => drop(runtime.spawn_blocking(move || drop(content))),
            _ => drop(content),
        }
    }
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
