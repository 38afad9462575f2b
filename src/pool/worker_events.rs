//! The engine's answers to what happens at a worker: birth, frames, output, death.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::engine::Engine;
use super::fate::{self, KillCause};
use super::roster::{Phase, SeatId};
use super::run::Task;
use crate::jobs::{Failure, FailureCode};
use crate::json;
use crate::process::{Exit, ForkError, Generation, WorkerEvent, WorkerProcess};
use crate::transport::{Codec, Frame, Kind};

impl Engine {
    pub(super) fn on_born(&mut self, id: SeatId, process: Arc<WorkerProcess>, generation: Arc<Generation>) {
        match self.bodies.get_mut(&id) {
            Some(body) => {
                body.process = Some(process);
                body.generation = Some(generation);
                if body.killed.is_some() {
                    self.kill(id, KillCause::Boot);
                }
            }
            // Its seat was taken away while it was being made.
            None => process.kill(),
        }
    }

    pub(super) fn on_not_born(&mut self, id: SeatId, error: &ForkError) {
        if self.roster.phase(id).is_none() {
            return;
        }
        self.forget(id);
        tracing::warn!(pool = %self.spec.name, %error, "a worker could not be forked");
        self.pace.boot_failed(self.now);
    }

    pub(super) fn on_worker(&mut self, id: SeatId, event: WorkerEvent) {
        match event {
            WorkerEvent::Frame(frame) => self.on_frame(id, frame),
            WorkerEvent::Output(output) => self.on_output(id, &output),
            WorkerEvent::Broken(error) => {
                tracing::warn!(pool = %self.spec.name, %error, "a worker broke the protocol");
                self.kill(id, KillCause::Protocol(error));
            }
            WorkerEvent::Died(exit) => self.on_death(id, exit),
        }
    }

    fn on_frame(&mut self, id: SeatId, frame: Frame) {
        let phase = self.roster.phase(id);
        match frame.header.kind {
            Kind::Ready => {
                if let Some(Phase::Starting(_)) = phase {
                    self.pace.booted();
                    self.roster.set_ready(id);
                    return;
                }
            }
            Kind::Pong => {
                if let Some(Phase::Silent(_)) = phase {
                    self.roster.set_ready(id);
                    return;
                }
            }
            Kind::Value | Kind::Raised | Kind::NotJson | Kind::InvalidArguments | Kind::TooLarge => {
                if phase.is_none() || self.on_answer(id, frame) {
                    return;
                }
            }
            Kind::Call | Kind::CallKeywords | Kind::Map | Kind::Ping => {}
        }
        tracing::warn!(pool = %self.spec.name, "a worker's answer does not fit its task");
        self.kill(id, KillCause::WrongAnswer);
    }

    /// Takes an answer; `false` if it does not fit the worker's head.
    fn on_answer(&mut self, id: SeatId, frame: Frame) -> bool {
        let head = self.roster.flight(id).next();
        let fits =
            head.is_some_and(|head| head.sequence == frame.header.sequence && self.makes_sense(head, &frame));
        if !fits || frame.header.codec != Codec::Json {
            return false;
        }
        let Some((task, took)) = self.roster.answered(id, frame.header.sequence, self.now) else {
            return false;
        };
        task.function.measured(took, task.items);
        if let Some(body) = self.bodies.get_mut(&id) {
            body.streamed_head = false;
            body.last = Some(Arc::clone(&task.record));
        }
        // `makes_sense` has read it once; a second reading can't differ.
        match fate::of_answer(frame.header.kind, &frame.payload, &task, self.spec.result_bytes_max) {
            Some(failure) => self.fail(&task, failure),
            None => self.on_value(&task, frame.payload),
        }
        true
    }

    fn makes_sense(&self, task: &Task, frame: &Frame) -> bool {
        if frame.header.kind != Kind::Value {
            return fate::of_answer(frame.header.kind, &frame.payload, task, self.spec.result_bytes_max)
                .is_some();
        }
        match json::check(&frame.payload, usize::MAX) {
            Ok(shape) => {
                let whole = shape.start == 0 && shape.end == frame.payload.len();
                let count = u64::try_from(shape.elements).unwrap_or(u64::MAX);
                whole && (task.kind != Kind::Map || (shape.kind == json::Kind::Array && count == task.items))
            }
            Err(_) => false,
        }
    }

    fn on_value(&mut self, task: &Task, value: Bytes) {
        let Some(run) = self.runs.get_mut(&task.job) else { return };
        if value.len() > self.spec.result_bytes_max {
            let detail = format!("the value is {} bytes of JSON", value.len());
            run.fail(task, Failure::new(FailureCode::ResultTooLarge, detail));
        } else {
            run.succeed(task, value, self.spec.result_bytes_max);
        }
        self.conclude(task.job);
    }

    fn on_output(&mut self, id: SeatId, output: &[u8]) {
        let head = self.roster.flight(id).next();
        if let Some(head) = head {
            head.function.printed();
        }
        let record = head.map(|head| Arc::clone(&head.record));
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let record = record.or_else(|| body.last.clone());
        if let Some(record) = &record {
            record.append_log(output);
        }
        if self.spec.output_to_stderr {
            let pid = body.process.as_ref().map_or(0, |process| process.pid());
            body.lines.push(output, record.as_deref(), pid);
        }
    }

    fn on_death(&mut self, id: SeatId, exit: Exit) {
        let Some(phase) = self.roster.phase(id) else { return };
        // What it never read has not started; a stream of which something is left was not read whole.
        let unread_stream = self.abandon_stream(id);
        if !unread_stream {
            self.recall(id);
        }
        let flight: Vec<Task> = self.roster.unseat(id).map(|(_, flight)| flight.into()).unwrap_or_default();
        let killed = self.bodies.get(&id).and_then(|body| body.killed);
        match phase {
            Phase::Starting(_) => {
                tracing::warn!(pool = %self.spec.name, %exit, "a worker ended before it was ready");
                self.pace.boot_failed(self.now);
            }
            Phase::Ready | Phase::Silent(_) | Phase::Ending => {
                if killed.is_none_or(KillCause::is_misdeed) {
                    self.pace.died(self.now);
                    tracing::warn!(pool = %self.spec.name, %exit, "a worker died");
                }
            }
        }
        for mut task in flight.into_iter().rev() {
            if unread_stream && task.may_be_resent() {
                task.deliveries += 1;
                self.give_back(task);
            } else {
                let failure = self.failure_of_death(id, exit, &task);
                self.fail(&task, failure);
            }
        }
        if let Some(mut body) = self.bodies.remove(&id) {
            let pid = body.process.as_ref().map_or(0, |process| process.pid());
            body.lines.finish(body.last.as_deref(), pid);
        }
    }

    /// Stops writing a stream; `true` if some of it was still unread.
    fn abandon_stream(&mut self, id: SeatId) -> bool {
        let Some(body) = self.bodies.get_mut(&id) else { return false };
        if !body.streamed_head {
            return false;
        }
        body.streamed_head = false;
        let unfinished = body.stream.take().inspect(AbortHandle::abort).is_some();
        body.link.discard_stream() || unfinished || body.stream_unread
    }
}
