//! What the server holds of one worker.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::deaths::KillCause;
use super::output::{OutputOwner, WorkerOutput};
use crate::counters;
use crate::process::{Generation, WorkerProcess};
use crate::scheduler::{Callable, Task};
use crate::transport::Link;

/// A worker's pipes and process, and what is known of it besides its tasks.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    /// When it was asked for.
    pub asked: Instant,
    pub link: Arc<Link>,
    pub process: Option<Arc<WorkerProcess>>,
    pub generation: Option<Arc<Generation>>,
    pub killed: Option<KillCause>,
    /// It leaves once it has ended what it runs, and why.
    pub dismissed: Option<KillCause>,
    /// The last task that it answered.
    pub answered: u64,
    /// Tasks that it answered.
    pub answers: u64,
    /// A task too large for a packet that is being written.
    pub stream: Option<AbortHandle>,
    /// Whether its head is such a task.
    pub streamed_head: bool,
    /// Whether such a task was found unread and its bytes taken away.
    pub stream_unread: bool,
    /// Bytes of it that were written at the last check.
    pub streamed_before: u64,
    pub output: WorkerOutput,
    /// Whose task it answered last.
    pub last_owner: Option<OutputOwner>,
    /// The function that it ran last.
    pub last_function: Option<Arc<Callable>>,
    /// A task behind its head that it answered.
    pub out_of_turn: Option<u64>,
    /// A ping that it was sent while it had a head.
    pub pinged: Option<Pinged>,
    /// When its memory was checked between two tasks.
    pub memory_checked: Option<Instant>,
}

/// A ping, by the sequence numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pinged {
    pub ping: u64,
    /// The head that the worker had.
    pub head: u64,
    /// The last check found that the ping had been read, and no answer.
    pub is_unanswered: bool,
}

impl WorkerHandle {
    /// Of a worker that is being forked.
    pub fn new(link: Link, asked: Instant) -> Self {
        Self {
            asked,
            link: Arc::new(link),
            process: None,
            generation: None,
            killed: None,
            dismissed: None,
            answered: 0,
            answers: 0,
            stream: None,
            streamed_head: false,
            stream_unread: false,
            streamed_before: 0,
            output: WorkerOutput::default(),
            last_owner: None,
            last_function: None,
            out_of_turn: None,
            pinged: None,
            memory_checked: None,
        }
    }

    /// Its process id; 0 before it is forked.
    pub fn pid(&self) -> i32 {
        self.process.as_ref().map_or(0, |process| process.pid())
    }

    /// Items of its head that are done, by its page.
    pub fn items_done(&self, head: &Task) -> u64 {
        counters::read(self.link.page()).items_of(head.sequence, self.answers)
    }

    /// Whether it had begun its head when it ended, by its page.
    pub fn has_begun(&self, head: &Task) -> bool {
        !self.stream_unread && counters::read(self.link.page()).has_begun(head.sequence, self.answers)
    }

    /// Stops writing a stream. `true`: some of it was still unread, so that its task has not started.
    pub fn abandon_stream(&mut self) -> bool {
        if !self.streamed_head {
            return false;
        }
        self.streamed_head = false;
        let was_writing = self.stream.take().inspect(AbortHandle::abort).is_some();
        self.link.discard_stream() || was_writing || self.stream_unread
    }
}
