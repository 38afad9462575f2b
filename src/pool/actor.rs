//! The actor of one pool: takes events one by one, drives the scheduler and the workers, hands out what it can.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, yield_now};

use super::events::{Event, WeakInbox};
use super::handle::{PoolHealth, PoolSpec, PoolView};
use super::life::{self, Life};
use crate::jobs::{AnswerBytes, JobEvent, JobHandle, Outcome, Store, Stored};
use crate::scheduler::{Scheduler, Submission, of_shutdown};
use crate::workers::WorkerSet;

/// Events taken at once.
const BATCH: usize = 256;
/// Bytes of answers that are judged in one turn of the thread, about.
const TURN_BYTES_MAX: usize = 1 << 20;

/// Jobs or timers that are looked at in one turn of the thread: some milliseconds' work.
const JOBS_AT_ONCE: usize = 500;

/// Jobs that are to end, in several turns.
enum Ending {
    /// Those that have not started, from this number on.
    Drain(u64),
    Stop,
    Terminate,
}

/// One pool.
pub(super) struct Actor {
    life: Life,
    scheduler: Scheduler,
    workers: WorkerSet,
    store: Arc<dyn Store>,
    answers: AnswerBytes,
    /// Ends that the store is writing down.
    ends: JoinSet<()>,
    health: watch::Sender<PoolHealth>,
    now: Instant,
    ending: Option<Ending>,
}

impl Actor {
    pub fn new(spec: PoolSpec, inbox: WeakInbox, health: watch::Sender<PoolHealth>) -> Self {
        let PoolSpec { workers: spec, .. } = spec;
        let (store, answers) = (Arc::clone(&spec.store), spec.answers.clone());
        let (now, reporter) = (Instant::now(), inbox.reporter());
        let waker = Waker::from(Arc::new(inbox));
        let scheduler =
            Scheduler::new(Arc::clone(&spec.pool), waker, spec.result_bytes_max, spec.answers.clone());
        let workers = WorkerSet::new(spec, reporter, now);
        let ends = JoinSet::new();
        Self { life: Life::Open, scheduler, workers, store, answers, ends, health, now, ending: None }
    }

    pub async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>) {
        let mut batch = Vec::with_capacity(BATCH);
        let timer = tokio::time::sleep_until(self.now.into());
        tokio::pin!(timer);
        let mut armed: Option<Instant> = None;
        loop {
            self.settle();
            if self.life.is_ending() && self.workers.is_empty() && self.ends.is_empty() {
                break;
            }
            // Some of what is due was left: others have their turn.
            let wake = self.next_wake();
            if wake.is_some_and(|at| at <= self.now) {
                yield_now().await;
            }
            let wake = self.workers.next_wake().into_iter().chain(wake).min();
            // A timer that fires too early costs one wake-up; one that is reset for every task costs more.
            if let Some(at) = wake.filter(|at| armed.is_none_or(|armed| *at < armed)) {
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
                Some(_) = self.ends.join_next(), if !self.ends.is_empty() => {}
            }
            self.set_now();
            let mut is_slow = batch.iter().any(Event::is_slow);
            let mut bytes = 0;
            for event in batch.drain(..) {
                bytes += event.bytes();
                self.on_event(event);
                // Nothing else happens to this pool meanwhile.
                while self.workers.go_on(&mut self.scheduler) || self.end_some() {
                    is_slow = true;
                    self.give_way().await;
                }
                if bytes > TURN_BYTES_MAX {
                    bytes = 0;
                    self.give_way().await;
                }
            }
            // New heads must not look old.
            if is_slow {
                self.set_now();
            }
        }
        inbox.close();
        let mut refused = 0_usize;
        while let Ok(event) = inbox.try_recv() {
            if let Event::Submit(submission) = event {
                self.on_submit(*submission);
                refused += 1;
                if refused.is_multiple_of(JOBS_AT_ONCE) {
                    yield_now().await;
                }
            }
        }
        while self.ends.join_next().await.is_some() {}
        self.life.ended();
    }

    /// Lets others have their turn. What happened is told before: a stream has its outcome when its client finds no
    /// more records.
    async fn give_way(&mut self) {
        self.apply_events();
        yield_now().await;
        // The next head's time begins now, not before others had their turn.
        self.set_now();
    }

    fn set_now(&mut self) {
        self.now = Instant::now();
        self.workers.set_now(self.now);
    }

    fn on_event(&mut self, event: Event) {
        let Self { life, scheduler, workers, .. } = self;
        match event {
            Event::Submit(submission) => self.on_submit(*submission),
            Event::Cancel(job) => workers.cancel(job, scheduler),
            Event::Abandon(job) => {
                workers.take_back_job(job, scheduler);
                workers.stop_yielding(job);
                scheduler.abandon(job);
            }
            Event::Feed(job, more) => scheduler.feed(job, more),
            Event::Wake(job) => scheduler.wake(job),
            Event::Taken(job, bytes) => workers.taken(job, bytes),
            // The hand-out that follows does the rest.
            Event::PermitReleased => {}
            Event::Inspect(reply) => {
                let _ = reply.send(self.view());
            }
            Event::Progress(job, reply) => {
                let _ = reply.send(self.items_done(job));
            }
            Event::Drain(reply) => {
                workers.take_back_all(scheduler);
                self.ending = Some(Ending::Drain(0));
                life.drain(reply);
            }
            Event::Stop(reply) => {
                self.ending = Some(Ending::Stop);
                workers.stop();
                life.stop(reply);
            }
            Event::Resize(processes, spare_workers) => workers.resize(processes, spare_workers),
            Event::Close => life.close(),
            Event::Terminate(reply) => {
                self.ending = Some(Ending::Terminate);
                workers.kill_all();
                life.terminate(reply);
            }
            Event::Worker(key, report) => workers.on_report(key, report, scheduler),
        }
    }

    /// Ends some of the jobs that are to end; `false` if there are none. Nothing else happens in between.
    fn end_some(&mut self) -> bool {
        let Self { scheduler, ending, .. } = self;
        let has_more = match ending {
            None => return false,
            Some(Ending::Drain(from)) => {
                scheduler.drain(*from, JOBS_AT_ONCE).map(|next| *from = next).is_some()
            }
            Some(Ending::Stop) => scheduler.end_some(JOBS_AT_ONCE, of_shutdown),
            Some(Ending::Terminate) => scheduler.end_some(JOBS_AT_ONCE, |_| life::pool_terminated()),
        };
        if !has_more {
            *ending = None;
        }
        true
    }

    /// A job is taken, or ends at once.
    fn on_submit(&mut self, submission: Submission) {
        if let Some(outcome) = self.life.refusal() {
            return self.end(&submission.handle, outcome);
        }
        self.workers.take_back_below(submission.handle.terms.priority, &mut self.scheduler);
        self.scheduler.submit(submission, self.now);
    }

    /// After every batch: timers, hand-out, the number of workers, and answers to those who wait.
    fn settle(&mut self) {
        let Self { life, scheduler, workers, now, .. } = self;
        workers.set_wanted(life.wants_workers(!scheduler.is_empty()));
        workers.shed_surplus(scheduler);
        workers.check_memory(scheduler);
        scheduler.tell_refused();
        scheduler.free(JOBS_AT_ONCE);
        scheduler.queue_retries(*now, JOBS_AT_ONCE);
        let mut timers = JOBS_AT_ONCE;
        while let Some(job) = scheduler.overdue(*now, &mut timers) {
            workers.take_back_job(job, scheduler);
            scheduler.end_overdue(job);
        }
        workers.end_overruns(scheduler);
        workers.promote_spares();
        // Who waits for an end is woken before tasks are handed out: a task larger than a packet is then written after
        // the answers. The kernel wakes a pipe's reader on the writer's processor, as if the writer were about to wait,
        // and a worker that is woken too early stands behind the server's other work.
        self.apply_events();
        let Self { scheduler, workers, .. } = self;
        workers.hand_out(scheduler);
        workers.fire_timers(scheduler);
        workers.keep_size(scheduler);
        self.apply_events();
        for (job, bytes) in self.workers.late_output() {
            self.store.grow(job, bytes);
        }
        self.publish_health();
        if self.scheduler.is_empty() && self.ends.is_empty() {
            self.life.drained();
        }
    }

    /// When the scheduler has something to do: now, if the last job ended in the middle of a turn, and the workers of a
    /// pool that closes are to leave.
    fn next_wake(&self) -> Option<Instant> {
        let wants_workers = self.life.wants_workers(!self.scheduler.is_empty());
        let is_settled = wants_workers == self.workers.is_wanted();
        if is_settled { self.scheduler.next_wake(self.now) } else { Some(self.now) }
    }

    /// Applies what happened to jobs. The clock is read where something did.
    fn apply_events(&mut self) {
        let Self { scheduler, store, answers, ends, .. } = self;
        let mut read = None;
        for (handle, event) in scheduler.events() {
            match event {
                JobEvent::Ended(outcome) => end(store, ends, &handle, outcome),
                JobEvent::AttemptFailed(..) => {
                    handle.attempt_failed(event, *read.get_or_insert_with(SystemTime::now), answers);
                }
                JobEvent::Started
                | JobEvent::Unstarted
                | JobEvent::Attempted(_)
                | JobEvent::Extended(_)
                | JobEvent::Said(_)
                | JobEvent::Advanced(_) => handle.apply(event, *read.get_or_insert_with(SystemTime::now)),
            }
        }
    }

    fn end(&mut self, handle: &Arc<JobHandle>, outcome: Outcome) {
        end(&self.store, &mut self.ends, handle, outcome);
    }

    /// Items of a job that are done, those of running chunks included. What its functions say is told to its handle.
    fn items_done(&mut self, job: u64) -> Option<u64> {
        self.workers.hear(job, &mut self.scheduler);
        self.apply_events();
        let handle = self.scheduler.handle(job)?;
        Some(handle.done() + self.workers.items_ahead(job))
    }

    fn view(&self) -> PoolView {
        let (queued, running) = self.scheduler.counts();
        PoolView { queued, running, workers: self.workers.views() }
    }

    fn publish_health(&mut self) {
        let ready = self.workers.ready();
        let usable = self.workers.is_usable();
        let is_idle = self.scheduler.is_empty() && self.ends.is_empty();
        let over = self.life.is_closing() && is_idle && self.workers.is_empty();
        let failure = self.workers.boot_failure();
        self.health.send_if_modified(|known| {
            let is_same_failure = match (&known.failure, failure) {
                (Some(known), Some(failure)) => Arc::ptr_eq(known, failure),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            let is_same = (known.ready, known.usable, known.over) == (ready, usable, over) && is_same_failure;
            if !is_same {
                *known = PoolHealth { ready, usable, over, failure: failure.cloned() };
            }
            !is_same
        });
    }
}

/// Ends a job. What its store has yet to write down is waited for.
fn end(store: &Arc<dyn Store>, ends: &mut JoinSet<()>, handle: &Arc<JobHandle>, outcome: Outcome) {
    if let Stored::Pending(end) = store.end_and_tell(handle, outcome) {
        ends.spawn(end);
    }
}
