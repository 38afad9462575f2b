//! The workers of one pool, with all that the server holds of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backoff::RespawnBackoff;
use super::beginning::Beginning;
use super::hand_out::REFUSED_AT_ONCE_MAX;
use super::handle::WorkerHandle;
use super::options::{BootFailure, PoolOptions};
use super::reports::{Delivery, WorkerReport};
use super::sequence::Sequences;
use super::table::{WorkerKey, WorkerTable};
use crate::jobs::{AnswerBytes, JobId, Store};
use crate::object_server::Calls;
use crate::process::Spawner;
use crate::runtime::Runtime;
use crate::scheduler::Scheduler;
use crate::transport::PIPE_PACKET_BYTES;

/// What a pool's workers are made of.
#[derive(Debug)]
pub struct WorkerSpec {
    /// The pool's name.
    pub pool: Arc<str>,
    /// Its runtime.
    pub runtime: Runtime,
    /// Worker processes that take tasks.
    pub processes: usize,
    /// Workers kept ready beyond those.
    pub spare_workers: usize,
    /// The other options of the pool.
    pub options: Arc<PoolOptions>,
    /// Forks them.
    pub spawner: Spawner,
    /// Serves them the shared objects.
    pub calls: Calls,
    /// Is told of each attempt before it is handed out, and of each end.
    pub store: Arc<dyn Store>,
    /// From the fork until one must be ready.
    pub start_timeout: Duration,
    /// Largest value in bytes.
    pub result_bytes_max: usize,
    /// Output kept per job, in bytes.
    pub log_bytes_max: usize,
    /// What is held of answers that nobody has taken.
    pub answers: AnswerBytes,
    /// Whether output goes to the server's standard error too.
    pub output_to_stderr: bool,
}

/// Takes what happens at workers, from any task.
pub(crate) type Reporter = Arc<dyn Fn(WorkerKey, WorkerReport) + Send + Sync>;

/// The workers of one pool.
pub(crate) struct WorkerSet {
    pub(super) spec: WorkerSpec,
    pub(super) table: WorkerTable<WorkerHandle>,
    pub(super) backoff: RespawnBackoff,
    pub(super) sequences: Sequences,
    /// The last packet that was written: its memory is reused.
    pub(super) packet: Vec<u8>,
    pub(super) reporter: Reporter,
    /// The time of the event that is being handled.
    pub(super) now: Instant,
    /// Whether there should be workers at all.
    pub(super) is_wanted: bool,
    /// Tasks that were refused in the last hand-out, as the workers' code does not have their function.
    pub(super) refused_at_once: usize,
    /// It once had all its workers: spares come after that.
    pub(super) was_complete: bool,
    /// The last worker to leave was dismissed by the server, which is no sign of trouble.
    pub(super) is_replacing: bool,
    /// When the workers' memory is checked next.
    pub(super) next_memory_check: Instant,
    /// Why workers do not become ready, while they don't.
    pub(super) boot_failure: Option<Arc<BootFailure>>,
    /// Output that came after its job's end: the job, and bytes.
    pub(super) late_output: Vec<(JobId, usize)>,
    /// Tasks that wait until the store knows of their attempt.
    pub(super) beginning: Beginning,
    /// Cancelled jobs, and how many workers have yet to report that their pipes were read.
    pub(super) flushing: BTreeMap<u64, usize>,
    /// An answer that brought more than is judged at once.
    pub(super) unfinished: Option<(WorkerKey, Delivery)>,
}

impl WorkerSet {
    /// Without workers yet; [`WorkerSet::keep_size`] starts them.
    pub fn new(spec: WorkerSpec, reporter: Reporter, now: Instant) -> Self {
        Self {
            table: WorkerTable::new(spec.runtime == Runtime::Python),
            spec,
            backoff: RespawnBackoff::default(),
            sequences: Sequences::default(),
            packet: Vec::with_capacity(PIPE_PACKET_BYTES),
            reporter,
            now,
            is_wanted: true,
            refused_at_once: 0,
            was_complete: false,
            is_replacing: false,
            next_memory_check: now,
            boot_failure: None,
            late_output: Vec::new(),
            beginning: Beginning::default(),
            flushing: BTreeMap::new(),
            unfinished: None,
        }
    }

    /// The time that all that follows happens at.
    pub fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Output that came after its job's end since this was last asked.
    pub fn late_output(&mut self) -> impl Iterator<Item = (JobId, usize)> {
        self.late_output.drain(..)
    }

    /// The process id of a worker; 0 before it is forked.
    pub(super) fn pid(&self, key: WorkerKey) -> i32 {
        self.table.handle(key).map_or(0, WorkerHandle::pid)
    }

    /// Whether there should be workers at all: a pool that is closed and has ended its work needs none.
    pub fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// The same, to change it.
    pub fn set_wanted(&mut self, is_wanted: bool) {
        self.is_wanted = is_wanted;
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Workers that take tasks.
    pub fn ready(&self) -> usize {
        self.table.ready()
    }

    /// Whether work that is submitted now can be expected to run: a worker takes tasks, or one is being replaced that
    /// the server itself dismissed.
    pub fn is_usable(&self) -> bool {
        self.table.ready() > 0 || (self.is_replacing && self.table.alive() > 0)
    }

    /// Why workers do not become ready, while they don't.
    pub fn boot_failure(&self) -> Option<&Arc<BootFailure>> {
        self.boot_failure.as_ref()
    }

    /// Kills the workers of heads that ran for longer than they may.
    pub fn end_overruns(&mut self, scheduler: &mut Scheduler) {
        while let Some(key) = self.table.overrun(self.now) {
            self.end_overrun(key, scheduler);
        }
    }

    /// Checks old heads, and kills workers that give no sign of life.
    pub fn fire_timers(&mut self, scheduler: &mut Scheduler) {
        while let Some(key) = self.table.take_check(self.now) {
            self.check_worker(key, scheduler);
            self.hand_out(scheduler);
        }
        while let Some(key) = self.table.expired(self.now) {
            self.on_expired(key);
        }
        self.table.checked(self.now);
    }

    /// When the workers need attention next.
    pub fn next_wake(&self) -> Option<Instant> {
        let wanted = self.target() + self.spares();
        let is_short = self.table.alive() < wanted;
        let respawn = is_short.then(|| self.backoff.wait_until(self.now)).flatten();
        let has_more = (self.refused_at_once >= REFUSED_AT_ONCE_MAX).then_some(self.now);
        [respawn, self.next_memory_check(), self.table.next_check(), has_more].into_iter().flatten().min()
    }
}
