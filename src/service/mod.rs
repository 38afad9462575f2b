//! The middle: what a submission, a cancel, an end means.
//!
//! Whoever serves people (HTTP, later a terminal) turns what they send into a [`Request`], says who asks
//! ([`Caller`]), and writes the [`Answer`] or the [`Refusal`] down for them. What lies between is decided here
//! alone: which function and pool, how many items a task, whether there is room, what the job's terms are, when a
//! job is abandoned, cancelled or forgotten.
//!
//! [`request`], [`answer`] and [`refusal`] are the closed lists; [`submit`], [`stream`], [`records`], [`jobs`],
//! [`follow`], [`pools`], [`processes`] and [`objects`] do what is asked, [`functions`] finds what a name means,
//! [`lifecycle`] says how far the server is.
//!
//! Invariant: no HTTP and no pipe. A request that is refused has run nothing.

mod answer;
mod cursor;
mod follow;
mod functions;
mod jobs;
mod lifecycle;
mod objects;
mod pools;
mod processes;
mod records;
mod refusal;
mod request;
mod stream;
mod submit;

use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::catalog::Catalog;
use crate::config::Limits;
use crate::jobs::{Admission, AnswerBytes, Store};
use crate::objects::Objects;
use crate::pool::{Callables, Pools};
use crate::processes::Processes;

pub use answer::{Answer, Ended, JobPage, JobShown, PoolShown, Printed, Replay};
pub use cursor::Cursor;
pub use follow::{Follower, JobUpdate};
pub use lifecycle::Stage;
pub use records::{Records, StreamEnd};
pub use refusal::Refusal;
pub use request::{
    Caller, Feed, ItemStream, ProcessSignal, Request, Spread, TermsAsked, WantedJob, WantedPool,
    WantedProcess, WantedWork,
};
pub use stream::Feeder;

/// What is there once all code is loaded.
#[derive(Debug)]
pub struct Parts {
    /// Replaced as a whole.
    functions: RwLock<Callables>,
    pools: Pools,
    processes: Processes,
}

impl Parts {
    /// These functions, pools, and what is to be of `Process`.
    pub fn new(catalog: Catalog, pools: Pools, processes: Processes) -> Self {
        Self { functions: RwLock::new(Callables::new(catalog)), pools, processes }
    }

    /// The pools.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }
}

/// All that is served.
#[derive(Debug)]
pub struct Service {
    limits: Limits,
    stage: lifecycle::StageCell,
    jobs: Arc<dyn Store>,
    objects: Objects,
    admission: Admission,
    answers: AnswerBytes,
    parts: OnceLock<Parts>,
}

impl Service {
    /// Nothing is loaded yet: until then every request is refused as [`Refusal::Starting`].
    pub fn new(limits: Limits, jobs: Arc<dyn Store>, objects: Objects) -> Arc<Self> {
        Arc::new(Self {
            stage: lifecycle::StageCell::default(),
            admission: Admission::new(limits.queue_jobs_max, limits.queue_bytes_max),
            answers: AnswerBytes::new(limits.answer_bytes_max),
            limits,
            jobs,
            objects,
            parts: OnceLock::new(),
        })
    }

    /// Every bound.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where jobs end.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.jobs
    }

    /// What is held of answers that nobody has taken.
    pub fn answers(&self) -> &AnswerBytes {
        &self.answers
    }

    /// The shared objects.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Does what a caller asks for. A future that is dropped abandons what only its caller wanted: a synchronous
    /// job, a wait; what others can see goes on.
    pub async fn ask(self: &Arc<Self>, caller: &Caller, request: Request) -> Result<Answer, Refusal> {
        // What is rare is boxed: the future of every handler is as large as the largest of these.
        match request {
            Request::Run(wanted) => self.run(caller, wanted).await,
            Request::RunYielding(wanted) => Box::pin(self.run_yielding(caller, *wanted)).await,
            Request::Submit(wanted) => self.submit(caller, wanted).await,
            Request::Stream(stream) => Box::pin(self.stream(caller, *stream)).await,
            Request::Job { id, wait } => Box::pin(self.job(&id, wait)).await,
            Request::Result { id, timeout } => Box::pin(self.result(&id, timeout)).await,
            Request::Jobs { filter, limit, cursor } => Box::pin(self.list_jobs(&filter, limit, cursor)).await,
            Request::CancelJob { id } => Box::pin(self.cancel_job(&id)).await,
            Request::CancelJobs(filter) => Box::pin(self.cancel_jobs(&filter)).await,
            Request::ForgetJob { id } => Box::pin(self.forget_job(&id)).await,
            Request::JobOutput { id } => Box::pin(self.job_output(&id)).await,
            Request::FollowJob { id, from } => Box::pin(self.follow_job(&id, from)).await,
            Request::Functions => self.list_functions(),
            Request::Function { name } => self.show_function(&name),
            Request::Pools => Box::pin(self.list_pools()).await,
            Request::Pool { name } => Box::pin(self.show_pool(&name)).await,
            Request::Workers { pool } => Box::pin(self.list_workers(&pool)).await,
            Request::MakePool(wanted) => Box::pin(self.make_pool(*wanted)).await,
            Request::ResizePool { name, processes, spare_workers } => {
                Box::pin(self.resize_pool(&name, processes, spare_workers)).await
            }
            Request::ClosePool { name } => Box::pin(self.close_pool(&name)).await,
            Request::JoinPool { name, timeout } => Box::pin(self.join_pool(&name, timeout)).await,
            Request::TerminatePool { name } => Box::pin(self.terminate_pool(&name)).await,
            Request::StartProcess(wanted) => Box::pin(self.start_process(*wanted)).await,
            Request::Processes { limit, cursor } => self.list_processes(limit, cursor),
            Request::Process { id } => self.process(&id).map(Answer::Process),
            Request::JoinProcess { id, timeout } => Box::pin(self.join_process(&id, timeout)).await,
            Request::SignalProcess { id, signal } => self.signal_process(&id, signal),
            Request::ProcessOutput { id } => self.process_output(&id),
            Request::Objects { kind, limit, cursor } => {
                Box::pin(self.list_objects(kind, limit, cursor.as_deref())).await
            }
            Request::Object(at) => Box::pin(self.object(&at)).await,
            Request::MakeObject { at, arguments } => Box::pin(self.make_object(at, arguments)).await,
            Request::RemoveObject(at) => self.remove_object(&at),
            Request::CallObject(call) => Box::pin(self.call_object(*call)).await,
            Request::Readiness => self.readiness(),
        }
    }
}
