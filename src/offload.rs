//! Work that takes too long for the server's only thread: what is done with a large text goes to the blocking pool, and
//! many values are freed a few at a time.

use std::collections::VecDeque;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::sys::merge_freed_blocks;

/// Work on more bytes than this goes to the blocking pool; on a slow machine they take a millisecond or two.
const AT_ONCE_BYTES_MAX: usize = 256 << 10;
/// So many at once: more would only take the workers' processors.
static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE_MAX)));
const AT_ONCE_MAX: usize = 2;

/// Does `work`, which reads so many bytes: at once if they are few, else on the blocking pool. If the future is
/// dropped, work that has begun goes on, and its result is dropped. It never ends if the server does before.
pub async fn offload<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= AT_ONCE_BYTES_MAX {
        return work();
    }
    // Boxed: most work is small, and the futures of handlers stay so, too.
    let elsewhere: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(async move {
        // It is never closed.
        let permit = Arc::clone(&PERMITS).acquire_owned().await;
        // The work has the permit: it goes on when nobody waits for it any more.
        let work = move || {
            let result = work();
            drop(permit);
            result
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => pending().await,
            },
        }
    });
    elsewhere.await
}

/// Values that may be freed with this, in the order in which they came: they are taken out and dropped a few at a time.
/// Those that are left when a request is given up are dropped so, too, by a task of their own.
#[derive(Debug)]
pub struct LastOwner<T: Send + 'static>(VecDeque<T>);

/// So few are dropped where they are.
const DROPPED_AT_ONCE_MAX: usize = 1_000;

impl<T: Send + 'static> Default for LastOwner<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Send + 'static> LastOwner<T> {
    /// One more.
    pub fn push(&mut self, value: T) {
        self.0.push_back(value);
    }

    /// The first.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets others have their turn, after some were dropped.
    pub async fn give_way(&self) {
        merge_freed_blocks();
        yield_now().await;
    }
}

impl<T: Send + 'static> Drop for LastOwner<T> {
    fn drop(&mut self) {
        if self.0.len() > DROPPED_AT_ONCE_MAX
            && let Ok(runtime) = Handle::try_current()
        {
            let mut rest = std::mem::take(&mut self.0);
            runtime.spawn(async move {
                while !rest.is_empty() {
                    rest.drain(..rest.len().min(DROPPED_AT_ONCE_MAX));
                    merge_freed_blocks();
                    yield_now().await;
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn long_work_leaves_the_thread() {
        let here = thread::current().id();
        assert_eq!(offload(AT_ONCE_BYTES_MAX, || thread::current().id()).await, here);
        assert_ne!(offload(AT_ONCE_BYTES_MAX + 1, || thread::current().id()).await, here);
    }

    /// Counts what is dropped.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn many_values_are_dropped_a_few_at_a_time() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut owner = LastOwner::default();
        (0..3 * DROPPED_AT_ONCE_MAX).for_each(|_| owner.push(Counted(Arc::clone(&dropped))));
        drop(owner);
        for turns in 0..=3 {
            assert_eq!(dropped.load(Ordering::Relaxed), turns * DROPPED_AT_ONCE_MAX);
            yield_now().await;
        }
    }
}
