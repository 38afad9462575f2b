//! The engine's answers to what happens at a worker: birth, frames, output, death.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;

use super::engine::{Body, Engine};
use super::fate::{self, KillCause};
use super::function::Function;
use super::output::Source;
use super::roster::{Phase, SeatId};
use super::task::Task;
use crate::counters;
use crate::process::{Exit, ForkError, Generation, WorkerEvent, WorkerProcess};
use crate::transport::{Codec, Frame, Header, Kind};

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
        let Some(&Body { asked, killed, .. }) = self.bodies.get(&id) else { return };
        self.forget(id);
        if killed.is_some() {
            return;
        }
        tracing::warn!(pool = %self.spec.name, %error, "a worker could not be forked");
        self.replaces = false;
        match error {
            ForkError::ZygoteLost => self.pace.zygote_lost(self.now, asked),
            ForkError::Failed { .. } => self.pace.boot_failed(self.now),
        }
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

    fn on_ready(&mut self, id: SeatId) {
        if self.is_born_too_large(id) {
            return;
        }
        self.pace.booted();
        self.vitals.send_modify(|vitals| vitals.failure = None);
        self.take_on(id);
    }

    /// The initializer failed. The worker leaves by itself; another is started as after any failed boot.
    fn on_boot_failed(&mut self, id: SeatId, payload: &[u8]) {
        self.replaces = false;
        self.pace.boot_failed(self.now);
        let initializer = self.spec.options.initializer.as_ref();
        let name = initializer.map_or_else(Default::default, |initializer| Arc::clone(&initializer.function));
        self.boot_failed_for_good(fate::of_boot(&name, payload));
        self.kill(id, KillCause::Boot);
    }

    fn on_frame(&mut self, id: SeatId, frame: Frame) {
        let phase = self.roster.phase(id);
        if phase.is_none() || phase == Some(Phase::Ending) && self.has_gone_wrong(id) {
            return;
        }
        match frame.header.kind {
            Kind::Ready => match phase {
                Some(Phase::Starting(_)) => return self.on_ready(id),
                // Let go before it was heard of.
                Some(Phase::Ending) => return,
                Some(Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving) | None => {}
            },
            Kind::BootFailed => {
                if let Some(Phase::Starting(_)) = phase {
                    return self.on_boot_failed(id, &frame.payload);
                }
            }
            Kind::Pong => {
                if let Some(Phase::Silent(_)) = phase {
                    self.roster.set_ready(id);
                    return;
                }
                if self.on_idle_answer(id, frame.header.sequence) {
                    tracing::warn!(pool = %self.spec.name, "a worker lost a task that it was handed");
                    return self.kill(id, KillCause::LostTask);
                }
                return;
            }
            Kind::Retire => {
                if phase == Some(Phase::Ready) {
                    self.replaces = true;
                    self.dismiss(id, KillCause::Recycled);
                }
                return;
            }
            Kind::Value
            | Kind::Raised
            | Kind::NotJson
            | Kind::InvalidArguments
            | Kind::UnknownRef
            | Kind::TooLarge
            | Kind::CommandFailed => {
                let sequence = frame.header.sequence;
                if self.bodies.get(&id).is_some_and(|body| body.answered == sequence) {
                    return self.on_second_answer(id, phase);
                }
                if self.on_answer(id, frame).is_some() {
                    return;
                }
                // The tasks before that one were taken from its pipe by somebody else: they have not been run.
                if self.roster.flight(id).skip(1).any(|task| task.sequence == sequence)
                    && let Some(body) = self.bodies.get_mut(&id)
                {
                    body.out_of_turn = Some(sequence);
                }
            }
            Kind::Part => {
                // It is sent for its records: one without any could come for ever.
                let empty = frame.payload.len() <= "[]".len();
                if !empty && self.on_part(id, frame.header.sequence, &frame.payload).is_some() {
                    return;
                }
            }
            Kind::Call
            | Kind::CallKeywords
            | Kind::CallTyped
            | Kind::Map
            | Kind::Starmap
            | Kind::MapEach
            | Kind::StarmapEach
            | Kind::Ping => {}
        }
        tracing::warn!(pool = %self.spec.name, "a worker's answer does not fit its task");
        self.kill(id, KillCause::WrongAnswer);
    }

    /// The first counted. The task that came next is another's and must not suffer for it.
    fn on_second_answer(&mut self, id: SeatId, phase: Option<Phase>) {
        if phase == Some(Phase::Leaving) {
            return self.kill(id, KillCause::AnsweredTwice);
        }
        tracing::warn!(pool = %self.spec.name, "a worker answered a task twice");
        self.dismiss(id, KillCause::AnsweredTwice);
    }

    /// Takes an answer; `None` if it does not fit the worker's head.
    fn on_answer(&mut self, id: SeatId, frame: Frame) -> Option<()> {
        let Header { kind, codec, sequence, detail: nanoseconds, .. } = frame.header;
        let head = self.roster.flight(id).next().filter(|head| head.sequence == sequence)?;
        // Answered before it was written whole: that worker makes its answers up.
        let written = self.bodies.get(&id).is_some_and(|body| body.stream.is_none());
        if !written || codec != Codec::Json {
            return None;
        }
        let each = head.is_each() && kind == Kind::Value;
        let verdict = if each {
            self.on_part(id, sequence, &frame.payload)?;
            self.roster.flight(id).next().filter(|head| head.told == head.items)?;
            Ok(Bytes::new())
        } else {
            fate::of_answer(kind, frame.payload, head, self.spec.result_bytes_max)?
        };
        let task = self.roster.answered(id, sequence, self.now)?;
        task.function.measured(Duration::from_nanos(nanoseconds.into()), task.items);
        if let Some(body) = self.bodies.get_mut(&id) {
            body.streamed_head = false;
            body.answered = sequence;
            body.answers += 1;
            body.last = Some(Source::of(&task.record));
            body.ran_last = Some(Arc::clone(&task.function));
        }
        self.leave_if_done(id);
        self.recycle_if_due(id);
        if let Some(next) = self.roster.flight(id).next() {
            next.begin();
        }
        match verdict {
            Err(failure) => self.fail(task, failure),
            Ok(_) if each => self.close_each(&task),
            Ok(value) => {
                if let Some(run) = self.runs.get_mut(&task.job) {
                    run.succeed(&task, &value, self.spec.result_bytes_max);
                    self.conclude(task.job);
                }
            }
        }
        Some(())
    }

    fn on_output(&mut self, id: SeatId, output: &[u8]) {
        let head = self.roster.flight(id).next();
        if let Some(head) = head {
            head.function.printed();
        }
        let source = head.map(|head| Source::of(&head.record));
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let source = source.or_else(|| body.last.clone());
        if let Some(source) = &source {
            source.append_log(output, self.spec.log_bytes_max);
        }
        if self.spec.output_to_stderr {
            let pid = body.process.as_ref().map_or(0, |process| process.pid());
            body.lines.push(output, source.as_ref(), pid);
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
        let out_of_turn = self.bodies.get(&id).and_then(|body| body.out_of_turn);
        match phase {
            Phase::Starting(_) => {
                tracing::warn!(pool = %self.spec.name, %exit, "a worker ended before it was ready");
                self.boot_ended(&format!("ended by {exit}"));
            }
            Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving | Phase::Ending => {
                if killed.is_none_or(KillCause::is_misdeed) {
                    let ran = flight.first().filter(|task| self.has_begun(id, task));
                    let ran = ran.map(|task| Arc::clone(&task.function));
                    let last = self.bodies.get(&id).and_then(|body| body.ran_last.clone());
                    self.on_true_death(exit, ran.or(last));
                }
            }
        }
        for (place, mut task) in flight.into_iter().enumerate().rev() {
            let begun = match out_of_turn {
                Some(sequence) => task.sequence == sequence,
                None => place == 0 && !unread_stream && self.has_begun(id, &task),
            };
            if !begun && task.may_be_resent() {
                task.deliveries += 1;
                self.give_back(task);
            } else {
                let failure = self.failure_of_death(id, exit, &task);
                if task.is_each() {
                    let done = self.items_done(id, &task);
                    self.bury(task, &failure, done);
                } else {
                    self.fail(task, failure);
                }
            }
        }
        if let Some(mut body) = self.bodies.remove(&id) {
            let pid = body.process.as_ref().map_or(0, |process| process.pid());
            body.lines.finish(pid);
        }
    }

    /// A worker died, and not by our hand. What it ran is to blame, and the pool only for what no function
    /// has answered for.
    fn on_true_death(&mut self, exit: Exit, function: Option<Arc<Function>>) {
        self.replaces = false;
        tracing::warn!(pool = %self.spec.name, %exit, "a worker died");
        if let Some(function) = &function
            && function.killed_its_worker(self.now)
        {
            tracing::error!(function = %function.name, "quarantined: it keeps killing its workers");
        }
        self.pace.died(self.now, function);
    }

    /// Whether a worker that has ended had begun its head.
    fn has_begun(&self, id: SeatId, head: &Task) -> bool {
        let Some(body) = self.bodies.get(&id) else { return false };
        !body.stream_unread && counters::read(body.link.page()).has_begun(head.sequence, body.answers)
    }

    /// It is killed for what it wrote: what else it writes is not looked at.
    fn has_gone_wrong(&self, id: SeatId) -> bool {
        self.bodies.get(&id).and_then(|body| body.killed).is_some_and(KillCause::is_misdeed)
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
