//! All that can happen to a pool, as one closed list.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::handle::PoolView;
use super::roster::SeatId;
use super::task::Submission;
use crate::process::{ForkError, Generation, WorkerEvent, WorkerProcess};

/// A larger answer takes a while to look through.
const SLOW_BYTES: usize = 64 << 10;

impl Event {
    /// Whether it takes long enough for the clock to be read again.
    pub fn is_slow(&self) -> bool {
        matches!(self, Self::Worker(_, WorkerEvent::Frame(frame)) if frame.payload.len() > SLOW_BYTES)
    }
}

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A client wants something run.
    Submit(Box<Submission>),
    /// Somebody cancels a job (its number).
    Cancel(u64),
    /// A job being cancelled: whoever still runs it is killed.
    KillHeads(u64),
    /// The client of a synchronous job left.
    Abandon(u64),
    /// More items of a stream; `None` is its end.
    Feed(u64, Option<(Bytes, usize)>),
    /// The client of a stream took records.
    Nudge(u64),
    /// Another pool gave back a slot of a function that jobs of this one wait for.
    Vacancy,
    /// Somebody looks.
    Inspect(oneshot::Sender<PoolView>),
    /// Somebody looks how far a job is (its number).
    Progress(u64, oneshot::Sender<Option<u64>>),
    /// No more work comes: end what hasn't started, answer when the rest has ended.
    Drain(oneshot::Sender<()>),
    /// End everything, answer when no worker is left.
    Stop(oneshot::Sender<()>),
    /// Have so many workers, and so many spare ones.
    Resize(usize, usize),
    /// Take no more work; when all is done, let the workers go.
    Close,
    /// End every job as `pool-terminated` and kill every worker, answer when none is left.
    Terminate(oneshot::Sender<()>),
    /// A worker was forked.
    Born(SeatId, Arc<WorkerProcess>, Arc<Generation>),
    /// A worker was not forked.
    NotBorn(SeatId, ForkError),
    /// Something happened at a worker.
    Worker(SeatId, WorkerEvent),
    /// A task too large for a packet was written, or not.
    Streamed(SeatId, io::Result<()>),
}
