//! A pool as its users see it: submit, cancel, resize, close, terminate, look.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::actor::Actor;
use super::events::{Event, WeakInbox};
use super::life;
use crate::jobs::{JobHandle, Store};
use crate::runtime::Runtime;
use crate::scheduler::Submission;
use crate::workers::{BootFailure, PoolOptions, WorkerSpec, WorkerView};

/// What a pool is made of.
#[derive(Debug)]
pub struct PoolSpec {
    /// Whether it lasts as long as the server.
    pub permanent: bool,
    /// Its name, and what its workers are made of.
    pub workers: WorkerSpec,
}

/// A pool. Clones are the same pool; one costs an atomic increment.
#[derive(Debug, Clone)]
pub struct Pool(Arc<Inner>);

/// What a pool's clones share.
#[derive(Debug)]
pub struct Inner {
    /// Its name.
    pub name: Arc<str>,
    /// Its runtime.
    pub runtime: Runtime,
    /// Whether it lasts as long as the server.
    pub permanent: bool,
    /// From a fork to a worker's first word, at most.
    pub start_timeout: Duration,
    /// The other options.
    pub options: Arc<PoolOptions>,
    settings: Settings,
    store: Arc<dyn Store>,
    sender: mpsc::UnboundedSender<Event>,
    health: watch::Receiver<PoolHealth>,
}

/// The settings of a pool that requests change.
#[derive(Debug)]
struct Settings {
    processes: AtomicUsize,
    spare_workers: AtomicUsize,
    state: AtomicU8,
}

/// How far a pool is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PoolState {
    /// Its first workers start.
    Making = 0,
    /// It takes work.
    Running = 1,
    /// It takes no more, and ends what it has.
    Closed = 2,
    /// Its jobs have ended and its workers end.
    Terminated = 3,
}

impl PoolState {
    /// Whether clients can see it.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Running | Self::Closed)
    }
}

/// What is known of a pool without asking its actor.
#[derive(Debug, Clone, Default)]
pub(super) struct PoolHealth {
    /// Workers that take tasks.
    pub ready: usize,
    /// Whether there are such workers, or healthy ones on their way.
    pub usable: bool,
    /// Closed, and neither jobs nor workers are left.
    pub over: bool,
    /// Why workers do not become ready, while they don't.
    pub failure: Option<Arc<BootFailure>>,
}

/// A pool at one moment.
#[derive(Debug, Clone)]
pub struct PoolView {
    /// Jobs of which nothing has started.
    pub queued: usize,
    /// Jobs of which something has.
    pub running: usize,
    /// Its workers.
    pub workers: Vec<WorkerView>,
}

impl Deref for Pool {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Pool {
    /// Starts the pool's actor, which makes its workers.
    pub fn start(spec: PoolSpec) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let (health_sender, health) = watch::channel(PoolHealth::default());
        let workers = &spec.workers;
        let settings = Settings {
            processes: AtomicUsize::new(workers.processes),
            spare_workers: AtomicUsize::new(workers.spare_workers),
            state: AtomicU8::new(PoolState::Making as u8),
        };
        let pool = Self(Arc::new(Inner {
            name: Arc::clone(&workers.pool),
            runtime: workers.runtime,
            permanent: spec.permanent,
            start_timeout: workers.start_timeout,
            options: Arc::clone(&workers.options),
            settings,
            store: Arc::clone(&workers.store),
            sender,
            health,
        }));
        let weak = WeakInbox(pool.sender.downgrade());
        tokio::spawn(Actor::new(spec, weak, health_sender).run(inbox));
        pool
    }

    /// Submits a job. It ends, whatever happens.
    pub fn submit(&self, submission: Submission) {
        let sent = self.sender.send(Event::Submit(Box::new(submission)));
        // The actor has ended.
        if let Err(mpsc::error::SendError(Event::Submit(submission))) = sent {
            let is_terminated = self.state() == PoolState::Terminated;
            self.store.end_and_tell(&submission.handle, life::refusal(is_terminated)).detach();
        }
    }

    /// Cancels a job: what waits is dropped, what runs is killed, what has finished stays.
    pub fn cancel(&self, handle: &JobHandle) {
        self.send(Event::Cancel(handle.number));
    }

    /// More items of a stream, as a list of elements and their count; `None` is its end.
    pub fn feed(&self, handle: &JobHandle, more: Option<(Bytes, usize)>) {
        self.send(Event::Feed(handle.number, more));
    }

    /// The client of a stream took records: more may be produced.
    pub fn wake(&self, handle: &JobHandle) {
        self.send(Event::Wake(handle.number));
    }

    /// The client of a yielding call took so many bytes more of what it yields.
    pub fn taken(&self, handle: &JobHandle, bytes: usize) {
        self.send(Event::Taken(handle.number, bytes));
    }

    /// The job's client has left: what waits is dropped, what runs is run to its end and its value discarded.
    pub fn abandon(&self, handle: &JobHandle) {
        self.send(Event::Abandon(handle.number));
    }

    /// What it is doing.
    pub async fn inspect(&self) -> Option<PoolView> {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Inspect(reply));
        answer.await.ok()
    }

    /// Items of a job that are done, those of chunks that run included; `None` once it has ended. What its functions
    /// say of how far they are is in its handle then.
    pub async fn items_done(&self, handle: &JobHandle) -> Option<u64> {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Progress(handle.number, reply));
        answer.await.ok().flatten()
    }

    /// Worker processes that it should have.
    pub fn processes(&self) -> usize {
        self.settings.processes.load(Ordering::Relaxed)
    }

    /// Workers that it should keep ready beyond those.
    pub fn spare_workers(&self) -> usize {
        self.settings.spare_workers.load(Ordering::Relaxed)
    }

    /// How far it is in its life.
    pub fn state(&self) -> PoolState {
        match self.settings.state.load(Ordering::Relaxed) {
            0 => PoolState::Making,
            1 => PoolState::Running,
            2 => PoolState::Closed,
            _ => PoolState::Terminated,
        }
    }

    /// Moves on in its life; never back.
    fn advance(&self, state: PoolState) {
        self.settings.state.fetch_max(state as u8, Ordering::Relaxed);
    }

    /// Workers that take tasks.
    pub fn ready(&self) -> usize {
        self.health.borrow().ready
    }

    /// Whether work that is submitted now can be expected to run.
    pub fn is_usable(&self) -> bool {
        self.health.borrow().usable
    }

    /// Waits until all its workers take tasks. The error says why they never will (`None`: the pool was stopped
    /// meanwhile).
    pub async fn made(&self) -> Result<(), Option<Arc<BootFailure>>> {
        let mut health = self.health.clone();
        let known = health.wait_for(|now| now.failure.is_some() || now.ready >= self.processes()).await;
        match known {
            Ok(now) => now.failure.clone().map_or(Ok(()), |failure| Err(Some(failure))),
            Err(_) => Err(None),
        }
    }

    /// Takes work from now on.
    pub fn open(&self) {
        self.advance(PoolState::Running);
    }

    /// Changes how many workers, and spare ones, it has; surplus workers end what they run.
    pub fn resize(&self, processes: usize, spare_workers: usize) {
        self.settings.processes.store(processes, Ordering::Relaxed);
        self.settings.spare_workers.store(spare_workers, Ordering::Relaxed);
        self.send(Event::Resize(processes, spare_workers));
    }

    /// Takes no more work; what it has is run, and then its workers end.
    pub fn close(&self) {
        self.advance(PoolState::Closed);
        self.send(Event::Close);
    }

    /// Waits until a closed pool has neither jobs nor workers.
    pub async fn over(&self) {
        // An error means that it was terminated, which is over too.
        let _ = self.health.clone().wait_for(|now| now.over).await;
    }

    /// Ends its jobs and kills its workers; returns when none is left.
    pub async fn terminate(&self) {
        self.advance(PoolState::Terminated);
        let (reply, answer) = oneshot::channel();
        self.send(Event::Terminate(reply));
        let _ = answer.await;
    }

    /// Ends what hasn't started; returns when what has started has ended.
    pub async fn drain(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Drain(reply));
        let _ = answer.await;
    }

    /// Ends everything; returns when no worker is left.
    pub async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Stop(reply));
        let _ = answer.await;
    }

    fn send(&self, event: Event) {
        // The actor lives until it is stopped, and by then every job has ended and no worker is left.
        let _ = self.sender.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Function;
    use crate::jobs::{Admission, FailureCode, KeyBounds, Keys, MemoryStore, Outcome, Retention, example};
    use crate::scheduler::Callable;

    /// A pool whose actor has ended.
    fn without_actor(state: PoolState) -> Pool {
        let retention = Retention {
            result_ttl: Duration::MAX,
            failure_ttl: Duration::MAX,
            finished_jobs_max: 1,
            finished_bytes_max: 1 << 20,
        };
        let keys = KeyBounds { keys_max: 0, bytes_max: 0, ttl: Duration::ZERO };
        let settings = Settings {
            processes: AtomicUsize::new(1),
            spare_workers: AtomicUsize::new(0),
            state: AtomicU8::new(state as u8),
        };
        Pool(Arc::new(Inner {
            name: "p".into(),
            runtime: Runtime::Native,
            permanent: false,
            start_timeout: Duration::ZERO,
            options: Arc::default(),
            settings,
            store: Arc::new(MemoryStore::new(retention, Keys::new(keys))),
            sender: mpsc::unbounded_channel().0,
            health: watch::channel(PoolHealth::default()).1,
        }))
    }

    #[test]
    fn a_job_that_comes_after_the_actors_end_ends_too() {
        for (state, code) in [
            (PoolState::Running, FailureCode::NotStarted),
            (PoolState::Terminated, FailureCode::PoolTerminated),
        ] {
            let mut info = example().info;
            info.retained = false;
            let handle = JobHandle::new(info);
            without_actor(state).submit(Submission {
                handle: Arc::clone(&handle),
                function: Callable::new(Function::new("f", Runtime::Native)),
                work: example().work,
                sink: None,
                permit: Admission::new(1, 1).reserve().into_permit().unwrap(),
            });
            let outcome = handle.outcome();
            assert!(matches!(outcome, Some(Outcome::Failure(failure)) if failure.code == code));
        }
    }
}
