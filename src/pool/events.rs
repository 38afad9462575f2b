//! All that can happen to a pool, as one closed list.

use std::sync::Arc;
use std::task::Wake;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::handle::PoolView;
use crate::scheduler::Submission;
use crate::workers::{Reporter, WorkerKey, WorkerReport};

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A client submits a job.
    Submit(Box<Submission>),
    /// Somebody cancels a job (its number).
    Cancel(u64),
    /// The client of a synchronous job left.
    Abandon(u64),
    /// More items of a stream; `None` is its end.
    Feed(u64, Option<(Bytes, usize)>),
    /// The client of a stream took records.
    Wake(u64),
    /// The client of a yielding call took so many bytes of what it yields.
    Taken(u64, usize),
    /// Another pool released a concurrency permit that jobs of this one wait for.
    PermitReleased,
    /// Somebody looks at the pool.
    Inspect(oneshot::Sender<PoolView>),
    /// Somebody looks how far a job is (its number).
    Progress(u64, oneshot::Sender<Option<u64>>),
    /// Take no more work and end what has not started; answer when the rest has ended.
    Drain(oneshot::Sender<()>),
    /// End everything, answer when no worker is left.
    Stop(oneshot::Sender<()>),
    /// Have so many workers, and so many spare ones.
    Resize(usize, usize),
    /// When all jobs have ended, let the workers go.
    Close,
    /// End every job as `pool-terminated` and kill every worker, answer when none is left.
    Terminate(oneshot::Sender<()>),
    /// Something happened at a worker.
    Worker(WorkerKey, WorkerReport),
}

impl Event {
    /// Bytes that are looked at to handle it.
    pub fn bytes(&self) -> usize {
        if let Self::Worker(_, report) = self { report.bytes() } else { 0 }
    }

    /// Whether it takes so long to handle that the clock must be read again.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Worker(_, report) if report.is_slow())
    }
}

/// A way to the actor that does not keep it alive.
#[derive(Debug, Clone)]
pub(super) struct WeakInbox(pub mpsc::WeakUnboundedSender<Event>);

impl WeakInbox {
    fn send(&self, event: Event) {
        if let Some(sender) = self.0.upgrade() {
            let _ = sender.send(event);
        }
    }

    /// Reports of workers come as events.
    pub fn reporter(&self) -> Reporter {
        let inbox = self.clone();
        Arc::new(move |key, report| inbox.send(Event::Worker(key, report)))
    }
}

impl Wake for WeakInbox {
    fn wake(self: Arc<Self>) {
        self.send(Event::PermitReleased);
    }
}
