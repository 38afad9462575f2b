//! Calls of the shared objects from worker processes: the server's end of their call sockets.
//!
//! Invariant: what a worker writes can harm nobody but itself, what it doesn't read takes a bounded memory, and
//! whatever it held or was handed without having read it goes back once it has been reaped.

mod outbox;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::oneshot;

use crate::objects::{HolderId, Objects};
use crate::transport::CallEnd;
use session::Session;

/// A request's address, method and names of arguments, besides a value.
const REQUEST_BYTES_MORE: usize = 64 << 10;

/// Serves worker processes the shared objects. Clones serve the same ones.
#[derive(Debug, Clone)]
pub struct Calls {
    objects: Objects,
    lives: Arc<AtomicU64>,
    request_bytes_max: usize,
}

/// A process whose calls are served until this is dropped: drop it once the process has been reaped.
#[derive(Debug)]
#[must_use = "what the process holds goes back when this is dropped"]
pub struct ObjectSession {
    alive: oneshot::Sender<()>,
}

impl ObjectSession {
    /// The process returned, and was reaped: what it holds stays held, for anyone to release.
    pub fn returned(self) {
        let _ = self.alive.send(());
    }
}

impl Calls {
    /// Over these objects; a request may hold a value of so many bytes.
    pub fn new(objects: Objects, value_bytes_max: usize) -> Self {
        let request_bytes_max = value_bytes_max.saturating_add(REQUEST_BYTES_MORE);
        Self { objects, lives: Arc::new(AtomicU64::new(1)), request_bytes_max }
    }

    /// Serves one life of a process.
    pub fn attend(&self, end: CallEnd, pid: i32) -> ObjectSession {
        let holder = HolderId(self.lives.fetch_add(1, Ordering::Relaxed));
        let (alive, reaped) = oneshot::channel();
        match Session::new(self.objects.clone(), holder, pid, end, self.request_bytes_max) {
            Ok(session) => {
                tokio::spawn(session.run(reaped));
            }
            // Its ends are closed by now, which ends the process at its first call.
            Err(error) => tracing::error!(pid, %error, "the call socket of a worker can't be served"),
        }
        ObjectSession { alive }
    }
}
