//! From what a caller wants run to a job of a pool: its function, its pool, its tasks, its terms, its room.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::Service;
use super::answer::{Answer, Ended, JobShown};
use super::refusal::Refusal;
use super::request::{Caller, Spread, TermsAsked, WantedJob, WantedWork};
use crate::jobs::{
    Acceptance, IdempotencyKey, JobHandle, JobId, JobInfo, JobKind, JobSpec, OnDisconnect, Recalled,
    Reservation, Store, Stored, Work,
};
use crate::pool::{self, Callable, ItemSink, Pool};

/// Tasks that each worker gets of a map whose chunksize is not given, as `multiprocessing.Pool.map`.
const CHUNKS_PER_WORKER: usize = 4;
/// Arguments that wait must not hold a larger buffer for a few bytes: what is less than half of it is copied.
const BUFFER_BYTES: usize = 16 << 10;

/// A job that its pool has. One that is nobody's but its caller's is forgotten with this; if it has not ended by then,
/// its client has left: it goes on without one, or is cancelled if its terms say so, and is forgotten with its end.
#[derive(Debug)]
pub(super) struct Accepted {
    pub handle: Arc<JobHandle>,
    pub pool: Pool,
    jobs: Arc<dyn Store>,
}

impl Drop for Accepted {
    fn drop(&mut self) {
        let Self { handle, pool, jobs } = self;
        if handle.retained {
            return;
        }
        if !handle.leave() {
            jobs.forget(handle.id).detach();
        } else if handle.terms.on_disconnect == OnDisconnect::Cancel {
            pool.cancel(handle);
        } else {
            pool.abandon(handle);
        }
    }
}

/// A job that is to be accepted.
pub(super) struct JobPlan {
    pub kind: JobKind,
    pub function: Arc<Callable>,
    pub pool: Pool,
    /// Items to do; 1 for a call, 0 for a stream, whose items come one by one.
    pub total: usize,
    /// Items a task, for maps.
    pub chunksize: Option<usize>,
    /// Whether it is kept once it has ended.
    pub retained: bool,
    pub work: Work,
    /// Where the records of a stream go.
    pub sink: Option<Box<dyn ItemSink>>,
    pub terms: TermsAsked,
    pub room: Reservation,
    pub key: Option<Box<IdempotencyKey>>,
}

/// What becomes of a job that is to be accepted.
pub(super) enum Admitted {
    New(Accepted),
    /// The same was accepted before.
    Same(Arc<JobHandle>),
}

impl Admitted {
    /// One that came without a key is always new.
    pub fn into_new(self) -> Result<Accepted, Refusal> {
        match self {
            Self::New(job) => Ok(job),
            Self::Same(_) => Err(Refusal::KeyMismatch),
        }
    }
}

impl Service {
    /// Runs a job that is nobody's but its caller's: forgotten once answered, abandoned when its caller leaves.
    pub(super) async fn run(&self, caller: &Caller, wanted: Box<WantedJob>) -> Result<Answer, Refusal> {
        let function = self.parts_for_work()?.function(&wanted.function)?;
        let job = self.accept_work(caller, wanted, function, false).await?.into_new()?;
        let outcome = job.handle.ended().await;
        Ok(Answer::Ended(Ended { handle: Arc::clone(&job.handle), outcome }))
    }

    /// What the same submission under its key was answered, if it came before: the same job, whatever else would refuse
    /// it by now.
    ///
    /// # Errors
    /// The key came with another request, or its job is no longer there.
    pub async fn recall(&self, key: &IdempotencyKey) -> Result<Option<Answer>, Refusal> {
        let recalled = self.jobs.recall(key).await;
        Ok(recalled.map(same_job).transpose()?.map(accepted))
    }

    /// Accepts a job that is kept once it has ended.
    pub(super) async fn submit(&self, caller: &Caller, wanted: Box<WantedJob>) -> Result<Answer, Refusal> {
        let function = self.parts_for_work()?.function(&wanted.function)?;
        match self.accept_work(caller, wanted, function, true).await? {
            Admitted::New(job) => Ok(accepted(Arc::clone(&job.handle))),
            Admitted::Same(handle) => Ok(accepted(handle)),
        }
    }

    /// No future: those of handlers hold nothing of a plan.
    fn accept_work(
        &self,
        caller: &Caller,
        wanted: Box<WantedJob>,
        function: Arc<Callable>,
        retained: bool,
    ) -> Stored<Result<Admitted, Refusal>> {
        match self.plan(*wanted, function, retained, None) {
            Ok(plan) => self.accept(caller, plan),
            Err(refusal) => Stored::Ready(Err(refusal)),
        }
    }

    /// Which pool runs it, in which tasks. `sink`: where what a call yields goes as it comes.
    pub(super) fn plan(
        &self,
        wanted: WantedJob,
        function: Arc<Callable>,
        retained: bool,
        sink: Option<Box<dyn ItemSink>>,
    ) -> Result<JobPlan, Refusal> {
        let WantedJob { function: _, work, terms, body_bytes, room, key } = wanted;
        let pool = self.parts_for_work()?.pool_for(&function, terms.pool.as_deref())?;
        let is_small = retained && work.bytes() < body_bytes.max(BUFFER_BYTES) / 2;
        let kept = |part: Bytes| if is_small { Bytes::copy_from_slice(&part) } else { part };
        let (kind, total, chunksize, work) = match work {
            WantedWork::Call { arguments, keywords, typed } => {
                let (arguments, keywords) = (kept(arguments), keywords.map(kept));
                let yielding = sink.is_some();
                (JobKind::Apply, 1, None, Work::Call { arguments, keywords, typed, yielding })
            }
            WantedWork::Map { items, count, chunksize, spread, collect } => {
                let typed = spread == Spread::ByName;
                let chunksize = chunksize.unwrap_or_else(|| default_chunksize(count, pool.processes()));
                let kind = if spread == Spread::ByPosition { JobKind::Starmap } else { JobKind::Map };
                let items = if is_small { items.compact() } else { items };
                (kind, count, Some(chunksize), Work::Map { items, typed, collect })
            }
        };
        Ok(JobPlan { kind, function, pool, total, chunksize, retained, work, sink, terms, room, key })
    }

    /// Takes a place in the queue, has the store take the job, and hands it to its pool.
    pub(super) fn accept(&self, caller: &Caller, plan: JobPlan) -> Stored<Result<Admitted, Refusal>> {
        let JobPlan { kind, function, pool, total, chunksize, retained, work, sink, terms, room, key } = plan;
        let permit = match self.answers.admit().and_then(|()| room.into_permit()) {
            Ok(permit) => permit,
            Err(overloaded) => return Stored::Ready(Err(overloaded.into())),
        };
        let info = JobInfo {
            id: JobId::new(),
            created_at: SystemTime::now(),
            kind,
            function: Arc::clone(function.name()),
            pool: Arc::clone(&pool.name),
            owner: caller.name.clone(),
            request_id: caller.request_id.clone(),
            total: total as u64,
            chunksize: chunksize.map(|chunksize| chunksize as u64),
            retained,
            terms: terms.into_terms(function.description.run_timeout, function.description.retries),
        };
        let jobs = Arc::clone(&self.jobs);
        let start = move |acceptance| match acceptance {
            Acceptance::New(handle, work) => {
                let request_id = handle.request_id.as_ref();
                tracing::debug!(
                    job = %handle.id, kind = handle.kind.as_str(), function = &*handle.function,
                    pool = &*handle.pool, items = handle.total, caller = handle.owner.as_deref(),
                    request_id = request_id.map(tracing::field::display), "a job was accepted"
                );
                let job = Accepted { handle: Arc::clone(&handle), pool, jobs };
                job.pool.submit(pool::Submission { handle, function, work, sink, permit });
                Ok(Admitted::New(job))
            }
            Acceptance::Known(recalled) => same_job(recalled).map(Admitted::Same),
            Acceptance::KeysFull(full) => Err(Refusal::KeysFull(full)),
        };
        match self.jobs.accept(JobSpec { info, work, key }) {
            Stored::Ready(acceptance) => Stored::Ready(start(acceptance)),
            // Whoever leaves meanwhile leaves no job behind that was accepted and is never run.
            Stored::Pending(acceptance) => {
                let accepting = tokio::spawn(async move { start(acceptance.await) });
                Stored::pending(async move { accepting.await.unwrap_or(Err(Refusal::Draining)) })
            }
        }
    }
}

fn accepted(handle: Arc<JobHandle>) -> Answer {
    Answer::Accepted(Box::new(JobShown::as_accepted(handle)))
}

/// The job of a key that was used before.
fn same_job(recalled: Recalled) -> Result<Arc<JobHandle>, Refusal> {
    match recalled {
        Recalled::Same(handle) => Ok(handle),
        Recalled::Gone => Err(Refusal::KeyExpired),
        Recalled::Mismatch => Err(Refusal::KeyMismatch),
    }
}

/// `ceil(len / (4 * workers))`; an empty iterable has none.
fn default_chunksize(items: usize, workers: usize) -> usize {
    items.div_ceil((workers * CHUNKS_PER_WORKER).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunksize_is_the_librarys() {
        // q, r = divmod(len, workers * 4); q + (r > 0)
        for (items, workers, want) in
            [(0, 2, 0), (1, 2, 1), (8, 2, 1), (9, 2, 2), (10, 5, 1), (1_000_000, 2, 125_000)]
        {
            assert_eq!(default_chunksize(items, workers), want, "{items} items, {workers} workers");
        }
    }
}
