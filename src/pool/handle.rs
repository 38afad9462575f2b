//! A pool as its users see it: submit, cancel, look.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use super::engine::Engine;
use super::events::Event;
use super::task::Submission;
use crate::counters::Counters;
use crate::jobs::{JobId, Record, Store};
use crate::process::Spawner;

/// What a pool is made of.
#[derive(Debug)]
pub struct PoolSpec {
    /// Its name.
    pub name: Arc<str>,
    /// Its runtime.
    pub runtime: &'static str,
    /// Worker processes.
    pub processes: usize,
    /// Where workers come from.
    pub spawner: Spawner,
    /// Where jobs end.
    pub store: Arc<dyn Store>,
    /// From a fork to the worker's first word.
    pub start_timeout: Duration,
    /// Largest value in bytes.
    pub result_bytes_max: usize,
    /// Output kept per job, in bytes.
    pub log_bytes_max: usize,
    /// Whether output goes to the server's standard error too.
    pub output_to_stderr: bool,
}

/// A pool. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its name.
    pub name: Arc<str>,
    /// Its runtime.
    pub runtime: &'static str,
    /// Worker processes that it should have.
    pub processes: usize,
    sender: mpsc::UnboundedSender<Event>,
    ready: watch::Receiver<usize>,
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

/// A worker at one moment.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its process id; `None` before it is forked.
    pub pid: Option<i32>,
    /// `starting`, `idle`, `busy` or `stopping`.
    pub state: &'static str,
    /// The loading of the code that it has.
    pub generation: u64,
    /// The job of its head.
    pub current: Option<(JobId, Arc<str>)>,
    /// How long that has been its head.
    pub current_age: Option<Duration>,
    /// Its shared page.
    pub counters: Counters,
}

impl Pool {
    /// Starts the pool's actor, which makes its workers.
    pub fn start(spec: PoolSpec) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let (ready_sender, ready) = watch::channel(0);
        let pool = Self {
            name: Arc::clone(&spec.name),
            runtime: spec.runtime,
            processes: spec.processes,
            sender,
            ready,
        };
        tokio::spawn(Engine::new(spec, pool.sender.downgrade(), ready_sender).run(inbox));
        pool
    }

    /// Takes a job. It ends in its record, whatever happens.
    pub fn submit(&self, submission: Submission) {
        self.send(Event::Submit(Box::new(submission)));
    }

    /// Cancels a job: what waits is dropped, what runs is killed, what has finished stays.
    pub fn cancel(&self, record: &Record) {
        self.send(Event::Cancel(record.number));
    }

    /// More items of a stream, as a list of elements and their count; `None` is its end.
    pub fn feed(&self, record: &Record, more: Option<(Bytes, usize)>) {
        self.send(Event::Feed(record.number, more));
    }

    /// The client of a stream took records: more may be made.
    pub fn nudge(&self, record: &Record) {
        self.send(Event::Nudge(record.number));
    }

    /// Nobody wants this job's value any more: what waits is dropped, what runs ends and is discarded.
    pub fn abandon(&self, record: &Record) {
        self.send(Event::Abandon(record.number));
    }

    /// What it is doing.
    pub async fn inspect(&self) -> Option<PoolView> {
        let (reply, answer) = oneshot::channel();
        self.send(Event::Inspect(reply));
        answer.await.ok()
    }

    /// Workers that take tasks.
    pub fn ready(&self) -> usize {
        *self.ready.borrow()
    }

    /// Waits until all its workers take tasks.
    pub async fn all_ready(&self) {
        let processes = self.processes;
        // An error could only mean that the pool was stopped; nobody waits for it then.
        let _ = self.ready.clone().wait_for(|ready| *ready >= processes).await;
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
        // The actor lives until it was stopped, and by then every job has ended.
        let _ = self.sender.send(event);
    }
}
