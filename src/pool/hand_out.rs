//! Handing out and taking back: the engine's way to the workers' task pipes.

use std::sync::Arc;
use std::time::Duration;

use super::engine::{Engine, Pinged};
use super::events::Event;
use super::fate::KillCause;
use super::roster::{Phase, SeatId};
use super::task::Task;
use crate::jobs::{Failure, FailureCode};
use crate::transport::{Codec, Header, Kind, WriteOutcome};

/// A head that is so old and no longer in its pipe is run, or was taken by somebody who is not the worker's loop.
const TAKEN_FOR_RUN: Duration = Duration::from_millis(500);
/// A worker that did not read its tasks has so long for a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) fn hand_out(&mut self) {
        self.rejoin();
        while let Some(job) = self.queue.front() {
            if !self.roster.has_room(self.now) {
                return;
            }
            if self.set_apart(job) {
                continue;
            }
            let next = self.runs.get_mut(&job).and_then(|run| run.next_task(&mut self.sequences));
            let Some(mut task) = next else {
                self.queue.pop();
                continue;
            };
            if let Some(share) = task.function.share() {
                // No slot is taken for nothing: giving it back would wake other pools.
                if !self.roster.would_take(&task, self.now) {
                    return self.give_back(task);
                }
                task.slot = share.take(&self.spec.name);
                if task.slot.is_none() {
                    self.give_back(task);
                    continue;
                }
            }
            if let Err(task) = self.hand(task) {
                self.give_back(task);
                return;
            }
            self.end_turn(job);
        }
    }

    /// A task of the job in front was handed out: another key's turn comes.
    fn end_turn(&mut self, job: u64) {
        if self.queue.front() == Some(job) {
            if self.runs.get(&job).is_some_and(|run| run.has_waiting()) {
                self.queue.turn();
            } else {
                self.queue.take();
            }
        }
    }

    /// Hands a task to a worker, or gives it back to the caller.
    #[expect(
        clippy::result_large_err,
        reason = "what comes back is the task itself; a box for each costs more"
    )]
    pub(super) fn hand(&mut self, task: Task) -> Result<(), Task> {
        let packet = task.fits_packet();
        let id = self.roster.place(task, self.now)?;
        let Some(body) = self.bodies.get_mut(&id) else { return Ok(()) };
        let Some(task) = self.roster.flight(id).last() else { return Ok(()) };
        if self.roster.flight(id).count() == 1 {
            task.begin();
        }
        let Some(function) =
            body.generation.as_ref().and_then(|generation| generation.index(&task.function.name))
        else {
            self.refuse(id);
            return Ok(());
        };
        let header = task.header(function);
        if !packet {
            self.stream(id, header);
            return Ok(());
        }
        self.packet.clear();
        self.packet.extend_from_slice(&header.encode());
        for piece in &task.payload {
            self.packet.extend_from_slice(piece);
        }
        match body.link.try_send(&self.packet) {
            Ok(WriteOutcome::Sent) => Ok(()),
            Ok(WriteOutcome::Full) | Err(_) => match self.roster.unplace(id) {
                Some(task) => Err(task),
                None => Ok(()),
            },
        }
    }

    /// The newest task of a flight names a function that the worker's code hasn't.
    pub(super) fn refuse(&mut self, id: SeatId) {
        let Some(task) = self.roster.unplace(id) else { return };
        let detail = format!("{} is not in the code that is loaded now", task.function.name);
        self.fail(task, Failure::new(FailureCode::FunctionRaised, detail));
    }

    pub(super) fn stream(&mut self, id: SeatId, header: Header) {
        let pieces = self.roster.flight(id).last().map(|task| task.payload.clone());
        let (Some(body), Some(pieces)) = (self.bodies.get_mut(&id), pieces) else { return };
        let (link, sender) = (Arc::clone(&body.link), self.sender.clone());
        let sending = tokio::spawn(async move {
            let result = link.send_stream(header, &pieces).await;
            if let Some(sender) = sender.upgrade() {
                let _ = sender.send(Event::Streamed(id, result));
            }
        });
        body.stream = Some(sending.abort_handle());
        body.streamed_head = true;
    }

    pub(super) fn on_streamed(&mut self, id: SeatId, result: std::io::Result<()>) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.stream = None;
            if let Err(error) = result {
                tracing::error!(%error, "a task could not be written");
                self.kill(id, KillCause::Silent);
            }
        }
    }

    /// Reads back what a worker hasn't read; its tasks go back to the queue. `true` if its head was among
    /// them.
    pub(super) fn recall(&mut self, id: SeatId) -> bool {
        let Some(body) = self.bodies.get(&id) else { return false };
        if body.streamed_head {
            return false;
        }
        let sequences = body.link.take_back();
        if let Some(body) = self.bodies.get_mut(&id) {
            body.pinged = body.pinged.filter(|pinged| !sequences.contains(&pinged.ping));
        }
        let (tasks, head) = self.roster.take_back(id, &sequences);
        for task in tasks.into_iter().rev() {
            self.take_back_first(task);
        }
        head
    }

    /// A head is old: what lies behind it goes to others; a head that wasn't even read shows a worker that
    /// doesn't read.
    pub(super) fn look_into_pipe(&mut self, id: SeatId) {
        if self.roster.take_look(id) {
            self.ping(id);
        } else if self.bodies.get(&id).is_some_and(|body| body.streamed_head) {
            self.look_into_stream(id);
        } else {
            let unread = self.recall_from_silent(id);
            if !unread && self.roster.head_age(id, self.now) >= TAKEN_FOR_RUN {
                self.ask_whether_idle(id);
            }
        }
    }

    /// A worker reads a ping between two tasks alone: if it answers while its head is still out, it isn't running
    /// that; nor does it if the ping is no longer in the pipe and isn't answered.
    fn ask_whether_idle(&mut self, id: SeatId) {
        let Some(head) = self.roster.flight(id).next().map(|head| head.sequence) else { return };
        let Some(body) = self.bodies.get_mut(&id) else { return };
        match &mut body.pinged {
            Some(pinged) if pinged.unanswered => return self.kill(id, KillCause::LostTask),
            // The answer may be on its way.
            Some(pinged) => {
                pinged.unanswered = true;
                return;
            }
            None => {}
        }
        let ping = self.ping(id);
        if let Some(body) = self.bodies.get_mut(&id) {
            body.pinged = Some(Pinged { ping, head, unanswered: false });
        }
    }

    /// What a ping's answer tells: `true` if the worker had lost its head.
    pub(super) fn on_idle_answer(&mut self, id: SeatId, sequence: u64) -> bool {
        let Some(body) = self.bodies.get_mut(&id) else { return false };
        let Some(pinged) = body.pinged.take_if(|pinged| pinged.ping == sequence) else { return false };
        self.roster.flight(id).next().is_some_and(|now| now.sequence == pinged.head)
    }

    fn ping(&mut self, id: SeatId) -> u64 {
        let sequence = self.sequences.next();
        let ping = Header { kind: Kind::Ping, codec: Codec::None, detail: 0, sequence, length: 0 };
        if let Some(body) = self.bodies.get(&id) {
            // A pipe that was just emptied has room.
            let _ = body.link.try_send(&ping.encode());
        }
        sequence
    }

    /// The same as [`Engine::recall`] where the head should have been read by now: if it wasn't, its worker is
    /// asked for a sign of life and gets nothing before it gives one.
    pub(super) fn recall_from_silent(&mut self, id: SeatId) -> bool {
        let unread = self.recall(id);
        if unread {
            self.roster.set_unready(id, Phase::Silent(self.now + SIGN_OF_LIFE));
            self.ping(id);
        }
        unread
    }

    /// A stream of which nothing was read since the last look: its worker reads nothing, and a task that
    /// isn't there in whole hasn't started.
    pub(super) fn look_into_stream(&mut self, id: SeatId) {
        let patient = self.roster.head_age(id, self.now) < SIGN_OF_LIFE;
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let streamed = body.link.streamed();
        let moved = std::mem::replace(&mut body.streamed_before, streamed) != streamed;
        if patient || moved {
            return;
        }
        let unread = body.stream.is_some() || body.link.discard_stream();
        if unread {
            body.stream_unread = true;
            self.kill(id, KillCause::Silent);
        } else {
            // It was read in whole: from now on it is as any other.
            body.streamed_head = false;
        }
    }

    /// A task that ended without a value is run again, in its key's turn.
    pub(super) fn run_again(&mut self, task: Task) {
        let job = task.job;
        if let Some(run) = self.runs.get_mut(&job) {
            let place = run.place();
            run.give_back(task);
            self.queue.push_next(job, &place);
        }
    }

    /// A task goes back to the front of the queue.
    pub(super) fn give_back(&mut self, task: Task) {
        let job = task.job;
        if let Some(run) = self.runs.get_mut(&job) {
            let place = run.place();
            run.give_back(task);
            self.queue.push_front(job, &place);
        }
    }
}
