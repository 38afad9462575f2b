//! The actor: takes events one by one, does the I/O that follows from them, and then hands out what it can.
//!
//! It never waits for a worker: packets are written or not, larger tasks are streamed by a task of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::apart::Apart;
use super::clocks::Clocks;
use super::events::Event;
use super::fate::{self, KillCause};
use super::function::Function;
use super::handle::{PoolSpec, Vitals};
use super::output::{Lines, Source};
use super::pace::Pace;
use super::queue::Queue;
use super::roster::{Roster, SeatId};
use super::run::Run;
use super::sequence::Sequences;
use super::task::Task;
use crate::counters;
use crate::jobs::{Failure, Outcome};
use crate::process::{Exit, Generation, Runtime, WorkerProcess};
use crate::transport::{Link, PIPE_PACKET_BYTES};

/// Events taken at once.
const BATCH: usize = 256;

/// What the server holds of one worker.
pub(super) struct Body {
    /// When it was asked for.
    pub asked: Instant,
    pub link: Arc<Link>,
    pub process: Option<Arc<WorkerProcess>>,
    pub generation: Option<Arc<Generation>>,
    pub killed: Option<KillCause>,
    /// It is to leave once it has ended what it runs, and why.
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
    /// Bytes of it that were written at the last look.
    pub streamed_before: u64,
    pub lines: Lines,
    /// Whose task it answered last.
    pub last: Option<Source>,
    /// The function that it ran last.
    pub ran_last: Option<Arc<Function>>,
    /// A task behind its head that it answered.
    pub out_of_turn: Option<u64>,
    /// A ping that it was sent while it had a head.
    pub pinged: Option<Pinged>,
    /// When its memory was looked at between two tasks.
    pub weighed: Option<Instant>,
}

/// A ping, by the sequence numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pinged {
    pub ping: u64,
    /// The head that the worker had.
    pub head: u64,
    /// The last look found that the ping had been read, and no answer.
    pub unanswered: bool,
}

/// One pool.
pub(super) struct Engine {
    pub spec: PoolSpec,
    pub roster: Roster,
    pub bodies: BTreeMap<SeatId, Body>,
    /// Boxed: a table of large values is a table that is moved about.
    pub runs: BTreeMap<u64, Box<Run>>,
    pub queue: Queue,
    pub pace: Pace,
    pub clocks: Clocks,
    pub now: Instant,
    pub sequences: Sequences,
    /// The last packet that was written: its memory is used again.
    pub packet: Vec<u8>,
    pub sender: mpsc::WeakUnboundedSender<Event>,
    pub vitals: watch::Sender<Vitals>,
    /// Takes no more work.
    pub closed: bool,
    /// It had all its workers once: spares come after that.
    pub whole: bool,
    /// Ends for good, by request.
    pub terminated: bool,
    /// The last worker to leave was let go by us: its place is taken, and nothing is wrong.
    pub replaces: bool,
    /// Jobs with work that wait until their function may run again, by function.
    pub apart: BTreeMap<Arc<str>, Apart>,
    /// When the workers' memory is looked at.
    pub next_weighing: Instant,
    pub drained: Option<oneshot::Sender<()>>,
    pub stopped: Option<oneshot::Sender<()>>,
}

impl Engine {
    pub fn new(
        spec: PoolSpec,
        sender: mpsc::WeakUnboundedSender<Event>,
        vitals: watch::Sender<Vitals>,
    ) -> Self {
        Self {
            roster: Roster::new(spec.runtime == Runtime::Python),
            spec,
            bodies: BTreeMap::new(),
            runs: BTreeMap::new(),
            queue: Queue::default(),
            pace: Pace::default(),
            clocks: Clocks::default(),
            now: Instant::now(),
            sequences: Sequences::default(),
            packet: Vec::with_capacity(PIPE_PACKET_BYTES),
            sender,
            vitals,
            closed: false,
            whole: false,
            terminated: false,
            replaces: false,
            apart: BTreeMap::new(),
            next_weighing: Instant::now(),
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
            let is_slow = batch.iter().any(Event::is_slow);
            for event in batch.drain(..) {
                self.on_event(event);
            }
            // New heads must not look old.
            if is_slow {
                self.now = Instant::now();
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
            Event::KillHeads(job) => self.on_kill_heads(job),
            Event::Abandon(job) => self.on_abandon(job),
            Event::Feed(job, more) => self.on_feed(job, more),
            Event::Nudge(job) => self.on_nudge(job),
            // What follows from it comes with the hand-out.
            Event::Vacancy => {}
            Event::Inspect(reply) => {
                let _ = reply.send(self.view());
            }
            Event::Progress(job, reply) => {
                let _ = reply.send(self.items_done_of(job));
            }
            Event::Drain(reply) => self.on_drain(reply),
            Event::Stop(reply) => self.on_stop(reply),
            Event::Resize(processes, spare_workers) => self.on_resize(processes, spare_workers),
            Event::Close => self.on_close(),
            Event::Terminate(reply) => self.on_terminate(reply),
            Event::Born(id, process, generation) => self.on_born(id, process, generation),
            Event::NotBorn(id, error) => self.on_not_born(id, &error),
            Event::Worker(id, event) => self.on_worker(id, event),
            Event::Streamed(id, result) => self.on_streamed(id, result),
        }
    }

    /// After every event: hand out, look at old heads, replace workers, answer who waits.
    fn settle(&mut self) {
        self.shed_surplus();
        self.weigh_workers();
        self.mind_clocks();
        self.promote_spares();
        self.hand_out();
        while let Some(id) = self.roster.overdue(self.now) {
            self.look_into_pipe(id);
            self.hand_out();
        }
        while let Some(id) = self.roster.expired(self.now) {
            self.on_expired(id);
        }
        self.keep_size();
        self.tell_vitals();
        if self.runs.is_empty()
            && let Some(reply) = self.drained.take()
        {
            let _ = reply.send(());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let wanted = self.target() + self.spares();
        let respawn = (self.roster.alive() < wanted).then(|| self.pace.wait_until(self.now)).flatten();
        let ours = [respawn, self.next_weighing(), self.next_rejoin(), self.clocks.next()];
        self.roster.next_check().into_iter().chain(ours.into_iter().flatten()).min()
    }

    /// Ends a job if nothing of it is left to do.
    pub fn conclude(&mut self, job: u64) {
        let Some(outcome) = self.runs.get_mut(&job).and_then(|run| run.outcome()) else { return };
        self.end(job, outcome);
    }

    /// Ends a job, whatever is left of it.
    pub fn end(&mut self, job: u64, outcome: Outcome) {
        if let Some(run) = self.runs.remove(&job) {
            self.spec.store.finish(&run.record, outcome);
            self.clocks.forget(job);
            self.tidy_queues();
        }
    }

    /// What a worker's page says of its head.
    pub fn items_done(&self, id: SeatId, head: &Task) -> u64 {
        let Some(body) = self.bodies.get(&id) else { return 0 };
        counters::read(body.link.page()).items_of(head.sequence, body.answers)
    }

    /// The failure of a task whose worker ended.
    pub fn failure_of_death(&self, id: SeatId, exit: Exit, task: &Task) -> Failure {
        let killed = self.bodies.get(&id).and_then(|body| body.killed);
        fate::of_death(exit, killed, task, self.items_done(id, task))
    }
}
