//! The actor: takes events one by one, does the I/O that follows from them, and then hands out what it can.
//!
//! It never waits for a worker: packets are written or not, larger tasks are streamed by a task of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::events::Event;
use super::fate::{self, KillCause};
use super::handle::{PoolSpec, PoolView, WorkerView};
use super::output::Lines;
use super::pace::Pace;
use super::queue::Queue;
use super::roster::{Phase, Roster, SeatId};
use super::run::{Run, Submission, Task};
use crate::counters;
use crate::jobs::{Failure, FailureCode, Outcome, Record};
use crate::process::{Generation, WorkerProcess, attend};
use crate::transport::{Codec, Header, Kind, Link, ParentEnds, WriteOutcome};

/// Events taken at once.
const BATCH: usize = 256;
/// A worker that did not read its tasks has so long for a sign of life.
const SIGN_OF_LIFE: std::time::Duration = std::time::Duration::from_secs(5);

/// What the server holds of one worker.
pub(super) struct Body {
    pub link: Arc<Link>,
    pub process: Option<Arc<WorkerProcess>>,
    pub generation: Option<Arc<Generation>>,
    pub killed: Option<KillCause>,
    /// A task too large for a packet that is being written.
    pub stream: Option<AbortHandle>,
    /// Whether its head is such a task.
    pub streamed_head: bool,
    /// Whether such a task was found unread and its bytes taken away.
    pub stream_unread: bool,
    pub lines: Lines,
    pub last: Option<Arc<Record>>,
}

/// One pool.
pub(super) struct Engine {
    pub spec: PoolSpec,
    pub roster: Roster,
    pub bodies: HashMap<SeatId, Body>,
    pub runs: BTreeMap<u64, Run>,
    pub queue: Queue,
    pub pace: Pace,
    pub now: Instant,
    next_sequence: u64,
    sender: mpsc::WeakUnboundedSender<Event>,
    ready: watch::Sender<usize>,
    drained: Option<oneshot::Sender<()>>,
    pub stopped: Option<oneshot::Sender<()>>,
}

impl Engine {
    pub fn new(
        spec: PoolSpec,
        sender: mpsc::WeakUnboundedSender<Event>,
        ready: watch::Sender<usize>,
    ) -> Self {
        Self {
            spec,
            roster: Roster::default(),
            bodies: HashMap::new(),
            runs: BTreeMap::new(),
            queue: Queue::default(),
            pace: Pace::default(),
            now: Instant::now(),
            next_sequence: 0,
            sender,
            ready,
            drained: None,
            stopped: None,
        }
    }

    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>) {
        let mut batch = Vec::with_capacity(BATCH);
        let timer = tokio::time::sleep_until(self.now.into());
        tokio::pin!(timer);
        let mut armed: Option<Instant> = None;
        loop {
            self.settle();
            if self.stopped.is_some() && self.roster.is_empty() {
                break;
            }
            // A timer that fires too early costs one look; one that is moved for every task costs more.
            if let Some(at) = self.next_deadline().filter(|at| armed.is_none_or(|armed| *at < armed)) {
                timer.as_mut().reset(at.into());
                armed = Some(at);
            }
            tokio::select! {
                biased;
                received = inbox.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        break;
                    }
                }
                () = &mut timer, if armed.is_some() => armed = None,
            }
            self.now = Instant::now();
            for event in batch.drain(..) {
                self.on_event(event);
            }
        }
        if let Some(reply) = self.stopped.take() {
            let _ = reply.send(());
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Submit(submission) => self.on_submit(*submission),
            Event::Cancel(job) => self.on_cancel(job),
            Event::Abandon(job) => self.on_abandon(job),
            Event::Inspect(reply) => {
                let _ = reply.send(self.view());
            }
            Event::Drain(reply) => self.on_drain(reply),
            Event::Stop(reply) => self.on_stop(reply),
            Event::Born(id, process, generation) => self.on_born(id, process, generation),
            Event::NotBorn(id, error) => self.on_not_born(id, &error),
            Event::Worker(id, event) => self.on_worker(id, event),
            Event::Streamed(id, result) => self.on_streamed(id, result),
        }
    }

    fn on_submit(&mut self, submission: Submission) {
        let mut run = Run::new(submission);
        let record = Arc::clone(&run.record);
        if self.stopped.is_some() || self.drained.is_some() {
            let failure =
                Failure::new(FailureCode::Interrupted, "the server went down before the job had started");
            self.spec.store.finish(&record, Outcome::Failure(Box::new(failure)));
        } else if let Some(outcome) = run.outcome() {
            self.spec.store.finish(&record, outcome);
        } else {
            self.queue.push(record.number);
            self.runs.insert(record.number, run);
        }
    }

    /// After every event: hand out, look at old heads, replace workers, answer who waits.
    fn settle(&mut self) {
        self.hand_out();
        while let Some(id) = self.roster.overdue(self.now) {
            self.look_into_pipe(id);
            self.hand_out();
        }
        while let Some(id) = self.roster.expired(self.now) {
            self.on_expired(id);
        }
        self.keep_size();
        let ready = self.roster.ready();
        self.ready.send_if_modified(|known| std::mem::replace(known, ready) != ready);
        if self.runs.is_empty()
            && let Some(reply) = self.drained.take()
        {
            let _ = reply.send(());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let respawn =
            (self.roster.alive() < self.spec.processes).then(|| self.pace.wait_until(self.now)).flatten();
        self.roster.next_check().into_iter().chain(respawn).min()
    }

    fn hand_out(&mut self) {
        while let Some(job) = self.queue.front() {
            if !self.roster.has_room(self.now) {
                return;
            }
            let next = self.runs.get_mut(&job).and_then(|run| run.next_task(&mut self.next_sequence));
            let Some(task) = next else {
                self.queue.pop();
                continue;
            };
            if let Err(task) = self.hand(task) {
                self.give_back(task);
                return;
            }
        }
    }

    /// Hands a task to a worker, or gives it back to the caller.
    fn hand(&mut self, task: Task) -> Result<(), Task> {
        task.record.start();
        let packet = task.fits_packet();
        let id = self.roster.place(task, self.now)?;
        let Some(body) = self.bodies.get_mut(&id) else { return Ok(()) };
        let Some(task) = self.roster.flight(id).last() else { return Ok(()) };
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
        let mut frame = Vec::with_capacity(crate::transport::HEADER_BYTES + task.payload_bytes);
        frame.extend_from_slice(&header.encode());
        for piece in &task.payload {
            frame.extend_from_slice(piece);
        }
        match body.link.try_send(&frame) {
            Ok(WriteOutcome::Sent) => Ok(()),
            Ok(WriteOutcome::Full) | Err(_) => match self.roster.unplace(id) {
                Some(task) => Err(task),
                None => Ok(()),
            },
        }
    }

    /// The newest task of a flight names a function that the worker's code hasn't.
    fn refuse(&mut self, id: SeatId) {
        let Some(task) = self.roster.unplace(id) else { return };
        let detail = format!("{} is not in the code that is loaded now", task.function.name);
        self.fail(&task, Failure::new(FailureCode::FunctionRaised, detail));
    }

    fn stream(&mut self, id: SeatId, header: Header) {
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

    fn on_streamed(&mut self, id: SeatId, result: std::io::Result<()>) {
        if let Some(body) = self.bodies.get_mut(&id) {
            body.stream = None;
            if let Err(error) = result {
                tracing::error!(%error, "a task could not be written");
                self.kill(id, KillCause::Silent);
            }
        }
    }

    /// A task goes back to the front of the queue.
    pub fn give_back(&mut self, task: Task) {
        let job = task.job;
        if let Some(run) = self.runs.get_mut(&job) {
            run.give_back(task);
            self.queue.push_front(job);
        }
    }

    /// A task ended without a value.
    pub fn fail(&mut self, task: &Task, failure: Failure) {
        if let Some(run) = self.runs.get_mut(&task.job) {
            run.fail(task, failure);
            self.conclude(task.job);
        }
    }

    /// Ends a job if nothing of it is left to do.
    pub fn conclude(&mut self, job: u64) {
        let Some(outcome) = self.runs.get_mut(&job).and_then(Run::outcome) else { return };
        self.end(job, outcome);
    }

    /// Ends a job, whatever is left of it.
    pub fn end(&mut self, job: u64, outcome: Outcome) {
        if let Some(run) = self.runs.remove(&job) {
            self.spec.store.finish(&run.record, outcome);
        }
    }

    /// Reads back what a worker hasn't read; its tasks go back to the queue. `true` if its head was among them.
    pub fn recall(&mut self, id: SeatId) -> bool {
        let Some(body) = self.bodies.get(&id) else { return false };
        if body.streamed_head {
            return false;
        }
        let sequences = body.link.take_back();
        let (tasks, head) = self.roster.take_back(id, &sequences);
        for task in tasks.into_iter().rev() {
            self.give_back(task);
        }
        head
    }

    /// A head is old: what lies behind it goes to others; a head that wasn't even read shows a worker that doesn't read.
    fn look_into_pipe(&mut self, id: SeatId) {
        if self.bodies.get(&id).is_some_and(|body| body.streamed_head) {
            self.look_into_stream(id);
        } else if self.recall(id) {
            self.roster.set_unready(id, Phase::Silent(self.now + SIGN_OF_LIFE));
            self.next_sequence += 1;
            let ping = Header {
                kind: Kind::Ping,
                codec: Codec::None,
                function: 0,
                sequence: self.next_sequence,
                length: 0,
            };
            if let Some(body) = self.bodies.get(&id) {
                // A pipe that was just emptied has room.
                let _ = body.link.try_send(&ping.encode());
            }
        }
    }

    /// A stream that stands still: its worker reads nothing. The task hasn't started, since it isn't there in whole.
    fn look_into_stream(&mut self, id: SeatId) {
        if self.roster.head_age(id, self.now) < SIGN_OF_LIFE {
            return;
        }
        let Some(body) = self.bodies.get_mut(&id) else { return };
        let unread = body.stream.is_some() || body.link.discard_stream();
        if unread {
            body.stream_unread = true;
            self.kill(id, KillCause::Silent);
        }
    }

    /// Kills a worker; its death tells the fate of its tasks.
    pub fn kill(&mut self, id: SeatId, cause: KillCause) {
        self.roster.set_unready(id, Phase::Ending);
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.killed.get_or_insert(cause);
        if let Some(stream) = body.stream.take() {
            stream.abort();
        }
        if let Some(process) = &body.process {
            process.kill();
        }
    }

    fn on_expired(&mut self, id: SeatId) {
        let cause = match self.roster.phase(id) {
            Some(Phase::Starting(_)) => KillCause::Boot,
            Some(Phase::Silent(_)) => KillCause::Silent,
            Some(Phase::Ready | Phase::Ending) | None => return,
        };
        tracing::warn!(pool = %self.spec.name, ?cause, "a worker gives no sign of life");
        if self.bodies.get(&id).is_some_and(|body| body.process.is_some()) {
            if cause == KillCause::Boot {
                self.pace.boot_failed(self.now);
            }
            self.kill(id, cause);
        } else {
            // Not born yet: the spawner has its own clock; a late birth finds its seat taken away and is killed.
            self.forget(id);
            self.pace.boot_failed(self.now);
        }
    }

    /// Starts workers until there are as many as there should be, unless a brake is on.
    fn keep_size(&mut self) {
        while self.stopped.is_none()
            && self.roster.alive() < self.spec.processes
            && self.pace.wait_until(self.now).is_none()
        {
            let ends = match ParentEnds::open() {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::error!(pool = %self.spec.name, %error, "no pipes for a worker");
                    self.pace.boot_failed(self.now);
                    self.pace.boot_failed(self.now);
                    return;
                }
            };
            self.start_worker(ends);
        }
    }

    fn start_worker(&mut self, (ends, descriptors): (ParentEnds, crate::transport::ChildDescriptors)) {
        let id = self.roster.seat(self.now, self.now + self.spec.start_timeout);
        let ParentEnds { link, results, log } = ends;
        let body = Body {
            link: Arc::new(link),
            process: None,
            generation: None,
            killed: None,
            stream: None,
            streamed_head: false,
            stream_unread: false,
            lines: Lines::default(),
            last: None,
        };
        self.bodies.insert(id, body);
        let (spawner, sender) = (self.spec.spawner.clone(), self.sender.clone());
        let payload_bytes_max = self.spec.result_bytes_max + (64 << 10);
        tokio::spawn(async move {
            let report = |event| {
                if let Some(sender) = sender.upgrade() {
                    let _ = sender.send(event);
                }
            };
            match spawner.fork(descriptors).await {
                Err(error) => report(Event::NotBorn(id, error)),
                Ok(newborn) => {
                    let process = Arc::new(newborn.process);
                    report(Event::Born(id, Arc::clone(&process), newborn.generation));
                    attend(process, results, log, payload_bytes_max, |event| {
                        report(Event::Worker(id, event))
                    })
                    .await;
                }
            }
        });
    }

    pub fn forget(&mut self, id: SeatId) {
        self.roster.unseat(id);
        self.bodies.remove(&id);
    }

    fn on_cancel(&mut self, job: u64) {
        let mut running = Vec::new();
        let mut finished_elsewhere = false;
        for id in self.roster.holders(job) {
            self.recall(id);
            // What is still there was read. All but the last of it is answered: its answer is on its way.
            let last = self.roster.flight(id).last().map(|task| task.job);
            if last == Some(job) {
                running.push(id);
            }
            finished_elsewhere |= self.roster.flight(id).any(|task| task.job == job) && last != Some(job);
        }
        let Some(run) = self.runs.get(&job) else { return };
        if running.is_empty() && finished_elsewhere && !run.has_waiting() {
            return;
        }
        let failure = Failure::new(FailureCode::Cancelled, "the job was cancelled");
        self.end(job, Outcome::Failure(Box::new(failure)));
        for id in running {
            self.kill(id, KillCause::Cancelled);
        }
    }

    fn on_abandon(&mut self, job: u64) {
        for id in self.roster.holders(job) {
            if self.roster.flight(id).next().is_some_and(|head| head.job != job) {
                self.recall(id);
            }
        }
        let failure = Failure::new(FailureCode::Cancelled, "the client left before the job had ended");
        self.end(job, Outcome::Failure(Box::new(failure)));
    }

    fn on_drain(&mut self, reply: oneshot::Sender<()>) {
        for id in self.roster.ids().collect::<Vec<_>>() {
            self.recall(id);
        }
        let waiting: Vec<u64> =
            self.runs.iter().filter(|(_, run)| !run.has_started()).map(|(number, _)| *number).collect();
        for job in waiting {
            let failure =
                Failure::new(FailureCode::Interrupted, "the server went down before the job had started");
            self.end(job, Outcome::Failure(Box::new(failure)));
        }
        self.drained = Some(reply);
    }

    fn on_stop(&mut self, reply: oneshot::Sender<()>) {
        for job in self.runs.keys().copied().collect::<Vec<_>>() {
            let failure =
                Failure::new(FailureCode::Interrupted, "the server went down before the job had ended");
            self.end(job, Outcome::Failure(Box::new(failure)));
        }
        for id in self.roster.ids().collect::<Vec<_>>() {
            if self.bodies.get(&id).is_some_and(|body| body.process.is_some()) {
                self.kill(id, KillCause::Shutdown);
            } else {
                self.forget(id);
            }
        }
        self.stopped = Some(reply);
    }

    fn view(&self) -> PoolView {
        let running = self.runs.values().filter(|run| run.has_started()).count();
        let workers = self.roster.ids().filter_map(|id| {
            let body = self.bodies.get(&id)?;
            let head = self.roster.flight(id).next();
            let state = match self.roster.phase(id)? {
                Phase::Starting(_) => "starting",
                Phase::Ready | Phase::Silent(_) if head.is_some() => "busy",
                Phase::Ready | Phase::Silent(_) => "idle",
                Phase::Ending => "stopping",
            };
            Some(WorkerView {
                pid: body.process.as_ref().map(|process| process.pid()),
                state,
                generation: body.generation.as_ref().map_or(0, |generation| generation.number),
                current: head.map(|task| (task.record.id, Arc::clone(&task.function.name))),
                current_age: head.map(|_| self.roster.head_age(id, self.now)),
                counters: counters::read(body.link.page()),
            })
        });
        PoolView { queued: self.runs.len() - running, running, workers: workers.collect() }
    }

    /// What a worker's page says of the chunk that it is at.
    pub fn items_done(&self, id: SeatId) -> u64 {
        self.bodies.get(&id).map_or(0, |body| counters::read(body.link.page()).items_done)
    }

    /// The failure of a task whose worker ended.
    pub fn failure_of_death(&self, id: SeatId, exit: crate::process::Exit, task: &Task) -> Failure {
        let killed = self.bodies.get(&id).and_then(|body| body.killed);
        fate::of_death(exit, killed, task, self.items_done(id))
    }
}
