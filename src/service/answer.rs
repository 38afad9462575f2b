//! What the service answers, as one closed list.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::follow::Follower;
use super::records::Records;
use crate::catalog::Function;
use crate::config::Limits;
use crate::jobs::{FailureCode, JobHandle, JobId, JobKind, JobState, Outcome, Snapshot};
use crate::objects::{self, Address, Delivery};
use crate::pool::{Pool, PoolView, WorkerView};
use crate::processes::{self, ProcessHandle};

/// What was asked for.
#[derive(Debug)]
pub enum Answer {
    /// A job's outcome.
    Ended(Ended),
    /// A job was accepted.
    Accepted(Box<JobShown>),
    /// A job.
    Job(Box<JobShown>),
    /// Some jobs.
    Jobs(JobPage),
    /// So many jobs were cancelled.
    Cancelled(u64),
    /// It was done, and there is nothing to say.
    Done,
    /// All is well.
    Ready,
    /// What was printed.
    Printed(Printed),
    /// A job's life.
    Following(Box<Follower>),
    /// A record per item, or of each thing that a call yields.
    Records(Box<Records>),
    /// A function.
    Function(Arc<Function>),
    /// All functions, by name.
    Functions(Vec<Arc<Function>>),
    /// A pool.
    Pool(PoolShown),
    /// A pool that was made.
    PoolMade(PoolShown),
    /// All pools, by name.
    Pools(Vec<PoolShown>),
    /// All workers of a pool.
    Workers(Vec<WorkerView>),
    /// A Process.
    Process(Arc<ProcessHandle>),
    /// A Process that was started.
    ProcessStarted(Arc<ProcessHandle>),
    /// Some Processes.
    Processes(processes::ProcessPage),
    /// A shared object as JSON.
    Object(Bytes),
    /// A shared object that is there now.
    ObjectMade {
        /// Its address.
        at: Address,
        /// As JSON.
        shown: Bytes,
    },
    /// Some shared objects.
    Objects(objects::ObjectPage),
    /// What a method answered, with what it handed over.
    Delivered(Delivery),
}

/// The outcome of a job that its caller waited for.
#[derive(Debug)]
pub struct Ended {
    /// The job.
    pub handle: Arc<JobHandle>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A job at one moment.
#[derive(Debug)]
pub struct JobShown {
    /// What was asked for.
    pub handle: Arc<JobHandle>,
    /// How far it is.
    pub now: Snapshot,
}

impl JobShown {
    /// As it is now.
    pub fn of(handle: Arc<JobHandle>) -> Self {
        Self { now: handle.snapshot(), handle }
    }

    /// As it was when it was accepted, whatever has become of it.
    pub fn as_accepted(handle: Arc<JobHandle>) -> Self {
        Self {
            now: Snapshot { state: JobState::accepted(handle.total), expires_at: None, is_left: false },
            handle,
        }
    }
}

/// Some jobs, newest first.
#[derive(Debug)]
pub struct JobPage {
    /// The jobs.
    pub items: Vec<JobShown>,
    /// Where the next page begins, if there is one.
    pub next: Option<JobId>,
}

/// What a job or a Process printed.
#[derive(Debug)]
pub struct Printed {
    /// `job` or `process`.
    pub who: &'static str,
    /// As much as is kept.
    pub bytes: Vec<u8>,
    /// Whether more was dropped.
    pub cut: bool,
}

/// A pool at one moment.
#[derive(Debug)]
pub struct PoolShown {
    /// The pool.
    pub pool: Pool,
    /// What it is doing; `None` once it is gone.
    pub view: Option<PoolView>,
}

/// What the same request under the same idempotency key is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Nothing was run: it is asked anew.
    AskAnew,
    /// The same answer, for so long.
    For(Duration),
}

impl Answer {
    /// Whether it is a copy made for this caller with which nothing is lost: asked again, the same is answered. (The
    /// value of a job that is kept is no copy.)
    pub fn is_repeatable(&self) -> bool {
        match self {
            Self::Job(_)
            | Self::Jobs(_)
            | Self::Printed(_)
            | Self::Following(_)
            | Self::Processes(_)
            | Self::Object(_)
            | Self::Objects(_) => true,
            Self::Ended(_)
            | Self::Accepted(_)
            | Self::Cancelled(_)
            | Self::Done
            | Self::Ready
            | Self::Records(_)
            | Self::Function(_)
            | Self::Functions(_)
            | Self::Pool(_)
            | Self::PoolMade(_)
            | Self::Pools(_)
            | Self::Workers(_)
            | Self::Process(_)
            | Self::ProcessStarted(_)
            | Self::ObjectMade { .. }
            | Self::Delivered(_) => false,
        }
    }

    /// What a repetition is to find.
    pub fn replay(&self, limits: &Limits) -> Replay {
        if let Self::Ended(ended) = self { ended.replay(limits) } else { Replay::For(limits.idempotency_ttl) }
    }
}

impl Ended {
    /// A value or a failure lives as long as with a job that can be asked for it.
    fn replay(&self, limits: &Limits) -> Replay {
        match &self.outcome {
            Outcome::Value(_) => Replay::For(self.handle.terms.result_ttl.unwrap_or(limits.result_ttl)),
            Outcome::Failure(failure) if self.has_run(failure.code) => Replay::For(limits.failure_ttl),
            Outcome::Failure(_) => Replay::AskAnew,
        }
    }

    /// Whether anything of a job that ended so may have been run.
    fn has_run(&self, code: FailureCode) -> bool {
        // A call's worker refuses an unknown object before it calls; other tasks of the job, and earlier attempts, may
        // have run.
        let refused = code == FailureCode::UnknownRef
            && self.handle.kind == JobKind::Apply
            && self.handle.attempts() <= 1;
        code != FailureCode::NotStarted && !refused
    }
}
