//! What a store answers: at once, or once it is written down.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An answer of a store, to be awaited. That of memory is ready: no allocation, no turn of the scheduler.
pub enum Stored<T> {
    /// It is here.
    Ready(T),
    /// It will be.
    Pending(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: Send + 'static> Stored<T> {
    /// It is here, or will be by this.
    pub fn pending(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Pending(Box::pin(future))
    }

    /// Lets it be done without waiting for it.
    pub fn detach(self) {
        if let Self::Pending(future) = self {
            tokio::spawn(future);
        }
    }
}

impl<T: Unpin + 'static> Future for Stored<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Pending(future) => future.as_mut().poll(cx),
            Self::Ready(_) => {
                // A future that has answered is not asked again.
                let answered = std::mem::replace(&mut *self, Self::Pending(Box::pin(std::future::pending())));
                match answered {
                    Self::Ready(answer) => Poll::Ready(answer),
                    Self::Pending(_) => Poll::Pending,
                }
            }
        }
    }
}

impl<T> fmt::Debug for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Ready(_)) { "Ready" } else { "Pending" })
    }
}
