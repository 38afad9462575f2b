//! What happens at workers: birth, answers, output, death.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::deaths::{self, KillCause};
use super::handle::WorkerHandle;
use super::output::OutputOwner;
use super::progress::hear_of;
use super::set::{WorkerSet, WorkerSpec};
use super::table::{Phase, WorkerKey};
use crate::jobs::{Failure, JobId};
use crate::process::{Exit, ForkError, Generation, WorkerEvent, WorkerProcess};
use crate::scheduler::{self, Callable, Scheduler, Task};
use crate::transport::{CheckedFrame, Codec, Header, Kind, Records};

/// One thing that happened at a worker.
#[derive(Debug)]
pub(crate) enum WorkerReport {
    /// It was forked.
    Born(Arc<WorkerProcess>, Arc<Generation>),
    /// It was not forked.
    NotBorn(ForkError),
    /// Its process did something.
    Event(WorkerEvent),
    /// A task too large for a packet was written, or not.
    Streamed(io::Result<()>),
    /// The store knows of the attempt that this wait is for.
    Begun(u64),
}

/// Records of a worker's head that are still to be judged, and the frame that brought them.
#[derive(Debug)]
pub(super) struct Delivery {
    header: Header,
    records: Records,
}

/// An answer of this size takes a while to check.
const SLOW_BYTES: usize = 64 << 10;

impl WorkerReport {
    /// Bytes that are looked at to handle it.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Event(WorkerEvent::Frame(frame)) => frame.payload.len(),
            Self::Event(_) | Self::Born(..) | Self::NotBorn(_) | Self::Streamed(_) | Self::Begun(_) => 0,
        }
    }

    /// Whether it takes so long to handle that the clock must be read again.
    pub fn is_slow(&self) -> bool {
        self.bytes() > SLOW_BYTES
    }
}

/// Adds output to its job's log, and notes how much came after the job's end.
fn keep_output(spec: &WorkerSpec, late: &mut Vec<(JobId, usize)>) -> impl FnMut(&OutputOwner, &[u8]) {
    |owner, output| late.extend(owner.append_log(output, spec.log_bytes_max, &spec.answers))
}

impl WorkerSet {
    /// Takes what happened at a worker.
    pub fn on_report(&mut self, key: WorkerKey, report: WorkerReport, scheduler: &mut Scheduler) {
        match report {
            WorkerReport::Born(process, generation) => self.on_born(key, process, generation),
            WorkerReport::NotBorn(error) => self.on_not_born(key, &error),
            WorkerReport::Streamed(result) => self.on_streamed(key, result),
            WorkerReport::Begun(wait) => self.on_begun(wait),
            WorkerReport::Event(WorkerEvent::Frame(frame)) => self.on_frame(key, frame, scheduler),
            WorkerReport::Event(WorkerEvent::Output(output)) => self.on_output(key, &output),
            WorkerReport::Event(WorkerEvent::Broken(error)) => {
                tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), %error, "a worker broke the protocol");
                self.kill(key, KillCause::Protocol(error));
            }
            WorkerReport::Event(WorkerEvent::Flushed(job)) => self.on_flushed(job, scheduler),
            WorkerReport::Event(WorkerEvent::Died(exit)) => self.on_death(key, exit, scheduler),
        }
    }

    fn on_born(&mut self, key: WorkerKey, process: Arc<WorkerProcess>, generation: Arc<Generation>) {
        // Without a slot it was given up while it was being forked.
        let Some(handle) = self.table.handle_mut(key) else { return process.kill() };
        handle.process = Some(process);
        handle.generation = Some(generation);
        if handle.killed.is_some() {
            self.kill(key, KillCause::Boot);
        }
    }

    fn on_not_born(&mut self, key: WorkerKey, error: &ForkError) {
        let Some((_, _, WorkerHandle { asked, killed, .. })) = self.table.remove(key) else { return };
        if killed.is_some() {
            return;
        }
        tracing::warn!(pool = %self.spec.pool, %error, "a worker could not be forked");
        self.is_replacing = false;
        match error {
            ForkError::ZygoteLost => self.backoff.zygote_lost(self.now, asked),
            ForkError::Failed { .. } => self.backoff.boot_failed(self.now),
        }
    }

    fn on_ready(&mut self, key: WorkerKey) {
        if !self.is_born_too_large(key) {
            tracing::debug!(pool = %self.spec.pool, pid = self.pid(key), "a worker is ready");
            self.backoff.booted();
            self.boot_failure = None;
            self.enlist(key);
        }
    }

    /// The initializer failed. The worker leaves by itself; another is started as after any failed boot.
    fn on_boot_failed(&mut self, key: WorkerKey, payload: &[u8]) {
        self.is_replacing = false;
        self.backoff.boot_failed(self.now);
        let initializer = self.spec.options.initializer.as_ref();
        let name = initializer.map_or_else(Default::default, |initializer| Arc::clone(&initializer.function));
        self.set_boot_failure(deaths::of_boot(&name, payload));
        self.kill(key, KillCause::Boot);
    }

    fn on_frame(&mut self, key: WorkerKey, mut frame: CheckedFrame, scheduler: &mut Scheduler) {
        let Some(phase) = self.table.phase(key) else { return };
        if phase == Phase::Ending && self.was_killed_for_its_fault(key) {
            return;
        }
        match frame.header.kind {
            Kind::Ready => match phase {
                Phase::Starting(_) => return self.on_ready(key),
                // It was killed before it was ready.
                Phase::Ending => return,
                Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving => {}
            },
            Kind::BootFailed => {
                if let Phase::Starting(_) = phase {
                    return self.on_boot_failed(key, &frame.payload);
                }
            }
            Kind::Pong => return self.on_pong(key, phase, frame.header.sequence),
            Kind::Retire => {
                if phase == Phase::Ready {
                    self.recycle(key, scheduler);
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
                if self.table.handle(key).is_some_and(|handle| handle.answered == sequence) {
                    return self.on_second_answer(key, phase, scheduler);
                }
                if self.on_answer(key, frame, scheduler).is_some() {
                    return;
                }
                // The tasks before that one were read by something else in the worker's process: they have not run.
                if self.table.flight(key).skip(1).any(|task| task.sequence == sequence)
                    && let Some(handle) = self.table.handle_mut(key)
                {
                    handle.out_of_turn = Some(sequence);
                }
            }
            Kind::Part => {
                // An empty part brings nothing, and could come for ever.
                let is_empty = frame.payload.len() <= "[]".len();
                if !is_empty && self.on_part(key, &mut frame, scheduler).is_some() {
                    return;
                }
            }
            Kind::Call
            | Kind::CallKeywords
            | Kind::CallTyped
            | Kind::Map
            | Kind::Starmap
            | Kind::MapItems
            | Kind::StarmapItems
            | Kind::MapTyped
            | Kind::MapTypedItems
            | Kind::CallYielding
            | Kind::CallTypedYielding
            | Kind::Taken
            | Kind::Stop
            | Kind::Ping => {}
        }
        self.kill_for_its_answer(key);
    }

    fn kill_for_its_answer(&mut self, key: WorkerKey) {
        tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), "a worker's answer does not fit its task");
        self.kill(key, KillCause::WrongAnswer);
    }

    fn on_pong(&mut self, key: WorkerKey, phase: Phase, sequence: u64) {
        if let Phase::Silent(_) = phase {
            self.table.set_ready(key);
        } else if self.on_idle_answer(key, sequence) {
            tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), "a worker lost a task that it was handed");
            self.kill(key, KillCause::LostTask);
        }
    }

    /// The first answer counts. The task that came next may be another job's and must not fail for it.
    fn on_second_answer(&mut self, key: WorkerKey, phase: Phase, scheduler: &mut Scheduler) {
        if phase == Phase::Leaving {
            return self.kill(key, KillCause::AnsweredTwice);
        }
        tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), "a worker answered a task twice");
        self.dismiss(key, KillCause::AnsweredTwice, scheduler);
    }

    /// The records of the next items of a worker's head, or of what it yields. `None` if they don't fit it.
    fn on_part(&mut self, key: WorkerKey, frame: &mut CheckedFrame, scheduler: &mut Scheduler) -> Option<()> {
        let sequence = frame.header.sequence;
        let has_parts = |head: &&Task| head.is_per_item() || head.is_yielding();
        let head = self.table.head(key).filter(|head| head.sequence == sequence).filter(has_parts)?;
        let mut records = scheduler::of_part(frame, head)?;
        if head.is_yielding() {
            return self.on_yielded(key, records.next_run()?, scheduler);
        }
        self.deliver(key, Delivery { header: frame.header, records }, scheduler)
    }

    /// As many records as are judged at once; the rest waits for [`WorkerSet::go_on`]. `None` if they were an answer
    /// and some are missing.
    fn deliver(&mut self, key: WorkerKey, mut delivery: Delivery, scheduler: &mut Scheduler) -> Option<()> {
        if let Some(run) = delivery.records.next_run() {
            scheduler.deliver(self.table.head_mut(key)?, run, self.now);
        }
        if delivery.records.left() > 0 {
            self.unfinished = Some((key, delivery));
            return Some(());
        }
        if delivery.header.kind == Kind::Part {
            return Some(());
        }
        self.table.head(key).filter(|head| head.delivered == head.items)?;
        self.conclude(key, delivery.header, None, scheduler)
    }

    /// Goes on with an answer that brought more than is judged at once; `false` if there is none. Nothing else may be
    /// done in between.
    pub fn go_on(&mut self, scheduler: &mut Scheduler) -> bool {
        let Some((key, delivery)) = self.unfinished.take() else { return false };
        if self.deliver(key, delivery, scheduler).is_none() {
            self.kill_for_its_answer(key);
        }
        true
    }

    /// Takes an answer; `None` if it does not fit the worker's head.
    fn on_answer(
        &mut self,
        key: WorkerKey,
        mut frame: CheckedFrame,
        scheduler: &mut Scheduler,
    ) -> Option<()> {
        let Header { kind, codec, sequence, .. } = frame.header;
        let head = self.table.head(key).filter(|head| head.sequence == sequence)?;
        // Answered before it was written whole: the worker invented the answer.
        let is_written = self.table.handle(key).is_some_and(|handle| handle.stream.is_none());
        if !is_written || codec != Codec::Json {
            return None;
        }
        if head.is_per_item() && kind == Kind::Value {
            return self.on_part(key, &mut frame, scheduler);
        }
        let header = frame.header;
        let verdict = scheduler::of_answer(frame, head, self.spec.result_bytes_max)?;
        self.conclude(key, header, Some(verdict), scheduler)
    }

    /// A worker's head is answered. Without a verdict each of its items has one.
    fn conclude(
        &mut self,
        key: WorkerKey,
        header: Header,
        verdict: Option<Result<Bytes, Failure>>,
        scheduler: &mut Scheduler,
    ) -> Option<()> {
        let Header { sequence, detail: nanoseconds, .. } = header;
        let task = self.table.answered(key, sequence, self.now)?;
        let pool = &*self.spec.pool;
        tracing::trace!(pool, job = %task.handle.id, task = sequence, kind = ?header.kind, "a task is answered");
        if !task.is_yielding() {
            task.function.state.measured(Duration::from_nanos(nanoseconds.into()), task.items);
        }
        if let Some(handle) = self.table.handle_mut(key) {
            hear_of(handle, &task, scheduler);
            if handle.output.has_held() {
                let logged_as = self.spec.output_to_stderr.then(|| handle.pid());
                handle.output.finish(logged_as, keep_output(&self.spec, &mut self.late_output));
            }
            handle.streamed_head = false;
            handle.answered = sequence;
            handle.answers += 1;
            handle.last_owner = Some(OutputOwner::of(&task.handle));
            handle.last_function = Some(Arc::clone(&task.function));
        }
        self.leave_if_done(key);
        self.recycle_if_due(key, scheduler);
        if let Some(next) = self.table.head(key) {
            scheduler.begin(next);
        }
        match verdict {
            Some(Ok(value)) => scheduler.succeed(&task, &value),
            Some(Err(failure)) => scheduler.fail(task, failure, self.now),
            None => scheduler.finish_items(&task),
        }
        Some(())
    }

    fn on_output(&mut self, key: WorkerKey, output: &[u8]) {
        let head = self.table.head(key);
        if let Some(head) = head {
            head.function.state.printed();
        }
        let owner = head.map(|head| OutputOwner::of(&head.handle));
        let Some(handle) = self.table.handle_mut(key) else { return };
        let owner = owner.or_else(|| handle.last_owner.clone());
        let logged_as = self.spec.output_to_stderr.then(|| handle.pid());
        let keep = keep_output(&self.spec, &mut self.late_output);
        handle.output.push(output, owner.as_ref(), logged_as, keep);
    }

    fn on_death(&mut self, key: WorkerKey, exit: Exit, scheduler: &mut Scheduler) {
        let Some(handle) = self.table.handle_mut(key) else { return };
        // What it never read has not started; neither has a stream that was not read whole.
        let is_stream_unread = handle.abandon_stream();
        if !is_stream_unread {
            self.take_back(key, scheduler);
        }
        let run_time = self.table.head_age(key, self.now);
        let Some((phase, flight, mut handle)) = self.table.remove(key) else { return };
        let pid = handle.pid();
        let logged_as = self.spec.output_to_stderr.then_some(pid);
        handle.output.finish(logged_as, keep_output(&self.spec, &mut self.late_output));
        match phase {
            Phase::Starting(_) => {
                tracing::warn!(pool = %self.spec.pool, pid, %exit, "a worker ended before it was ready");
                self.boot_ended(&format!("ended by {exit}"));
            }
            Phase::Ready | Phase::Spare | Phase::Silent(_) | Phase::Leaving | Phase::Ending => {
                if handle.killed.is_none_or(KillCause::is_worker_fault) {
                    let ran = flight.front().filter(|task| handle.has_begun(task));
                    deaths::log(&self.spec.pool, &handle, exit, ran, run_time);
                    let ran = ran.map(|task| Arc::clone(&task.function));
                    self.on_true_death(ran.or_else(|| handle.last_function.clone()));
                }
            }
        }
        for (place, task) in flight.into_iter().enumerate().rev() {
            hear_of(&handle, &task, scheduler);
            let has_begun = match handle.out_of_turn {
                Some(sequence) => task.sequence == sequence,
                None => place == 0 && !is_stream_unread && handle.has_begun(&task),
            };
            let items_done = handle.items_done(&task);
            let failure = |task: &_| deaths::of_death(exit, handle.killed, task, items_done);
            scheduler.lose(task, has_begun, items_done, failure, self.now);
        }
    }

    /// A worker died that was not killed by the server. What it ran is to blame, and the pool only for deaths that no
    /// function is quarantined for.
    fn on_true_death(&mut self, function: Option<Arc<Callable>>) {
        self.is_replacing = false;
        if let Some(function) = &function
            && function.state.killed_its_worker(self.now)
        {
            tracing::error!(function = %function.name(), "quarantined: it keeps killing its workers");
        }
        self.backoff.died(self.now, function);
    }

    /// Whether it was killed for what it wrote: nothing else that it wrote counts.
    fn was_killed_for_its_fault(&self, key: WorkerKey) -> bool {
        self.table.handle(key).and_then(|handle| handle.killed).is_some_and(KillCause::is_worker_fault)
    }
}
