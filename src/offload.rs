//! Work that takes too long for the server's only thread: what is done with a large text goes to the blocking pool.

use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;

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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn long_work_leaves_the_thread() {
        let here = thread::current().id();
        assert_eq!(offload(AT_ONCE_BYTES_MAX, || thread::current().id()).await, here);
        assert_ne!(offload(AT_ONCE_BYTES_MAX + 1, || thread::current().id()).await, here);
    }
}
