//! Handing out: tasks are written into the workers' task pipes.

use std::sync::Arc;

use bytes::Bytes;

use super::deaths::KillCause;
use super::reports::WorkerReport;
use super::set::WorkerSet;
use super::table::WorkerKey;
use crate::jobs::{Failure, FailureCode};
use crate::scheduler::{Scheduler, Task};
use crate::transport::{Codec, Header, WriteOutcome};

/// Tasks that are refused in one turn, at most: none of them keeps a worker from the next.
pub(super) const REFUSED_AT_ONCE_MAX: usize = 256;

impl WorkerSet {
    /// Hands out tasks while a worker takes one.
    pub fn hand_out(&mut self, scheduler: &mut Scheduler) {
        self.queue_begun(scheduler);
        self.refused_at_once = 0;
        scheduler.start_round();
        if scheduler.has_parked() && self.table.has_room(self.now) {
            scheduler.unpark(self.now);
        }
        while scheduler.has_queued()
            && self.table.has_room(self.now)
            && self.may_begin()
            && self.refused_at_once < REFUSED_AT_ONCE_MAX
            && let Some((task, key)) = scheduler.next_task(self.now, |task| self.table.choose(task, self.now))
            && self.hand(key, task, scheduler)
        {}
    }

    /// Hands a task to a worker, once its attempt has begun. `false`: its pipe has no room, and the task is the
    /// scheduler's again.
    fn hand(&mut self, key: WorkerKey, task: Task, scheduler: &mut Scheduler) -> bool {
        let Some(mut task) = self.begun(key, task) else { return true };
        task.sequence = self.sequences.next();
        let is_packet = task.fits_packet();
        self.table.place(key, task, self.now);
        let is_head = self.table.flight(key).nth(1).is_none();
        let Some((task, handle)) = self.table.newest(key) else { return true };
        if is_head {
            scheduler.begin(task);
        }
        let generation = handle.generation.as_ref();
        let Some(function) = generation.and_then(|generation| generation.index(task.function.name())) else {
            self.refuse(key, scheduler);
            return true;
        };
        tracing::trace!(
            pool = %self.spec.pool, pid = handle.pid(), job = %task.handle.id, task = task.sequence,
            attempt = task.retries + 1, first_item = task.first_item, items = task.items, is_head,
            "a task is handed out"
        );
        let header = Header {
            kind: task.kind,
            codec: if task.handle.terms.convert { Codec::Json } else { Codec::PlainJson },
            detail: function,
            sequence: task.sequence,
            length: task.wire_bytes() as u64,
        };
        if !is_packet {
            self.stream(key, header);
            return true;
        }
        self.packet.clear();
        self.packet.extend_from_slice(&header.encode());
        self.packet.extend_from_slice(&task.origin().encode());
        self.packet.extend_from_slice(&task.tags);
        for piece in &task.payload {
            self.packet.extend_from_slice(piece);
        }
        if let Ok(WriteOutcome::Sent) = handle.link.try_send(&self.packet) {
            return true;
        }
        if let Some(task) = self.table.unplace(key) {
            scheduler.give_back(task);
        }
        false
    }

    /// The newest task of a flight calls a function that the worker's code does not have.
    fn refuse(&mut self, key: WorkerKey, scheduler: &mut Scheduler) {
        let Some(task) = self.table.unplace(key) else { return };
        self.refused_at_once += 1;
        let detail = format!(
            "{} is not in the code that is loaded now, which has changed since the server's start; restart the server",
            task.function.name()
        );
        scheduler.fail(task, Failure::new(FailureCode::FunctionRaised, detail), self.now);
    }

    /// Writes a task that is larger than a packet, in a task of its own.
    fn stream(&mut self, key: WorkerKey, header: Header) {
        let pieces = self.table.newest(key).map(|(task, _)| {
            let origin = Bytes::copy_from_slice(&task.origin().encode());
            [origin, task.tags.clone()].into_iter().chain(task.payload.iter().cloned()).collect::<Vec<_>>()
        });
        let (Some(handle), Some(pieces)) = (self.table.handle_mut(key), pieces) else { return };
        let (link, reporter) = (Arc::clone(&handle.link), Arc::clone(&self.reporter));
        let writing = tokio::spawn(async move {
            let result = link.send_stream(header, &pieces).await;
            reporter(key, WorkerReport::Streamed(result));
        });
        handle.stream = Some(writing.abort_handle());
        handle.streamed_head = true;
    }

    pub(super) fn on_streamed(&mut self, key: WorkerKey, result: std::io::Result<()>) {
        if let Some(handle) = self.table.handle_mut(key) {
            handle.stream = None;
            if let Err(error) = result {
                tracing::error!(pool = %self.spec.pool, pid = handle.pid(), %error, "a task could not be written");
                self.kill(key, KillCause::Silent);
            }
        }
    }
}
