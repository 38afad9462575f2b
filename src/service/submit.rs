//! From what a caller wants run to a job of a pool: its function, its pool, its tasks, its terms, its room.

use std::sync::Arc;

use bytes::Bytes;

use super::answer::{Answer, Ended, JobShown};
use super::refusal::Refusal;
use super::request::{Caller, Submission, TermsAsked, WantedWork};
use super::{Service, typed_call};
use crate::jobs::{JobKind, NewJob, Permit, Record, Reservation};
use crate::pool::{self, Function, Pool, Work};

/// Tasks that each worker gets of a map whose chunksize is not given, as `multiprocessing.Pool.map`.
const CHUNKS_PER_WORKER: usize = 4;
/// Arguments that wait must not hold a larger buffer for a few bytes: what is less than half of it is copied.
const BUFFER_BYTES: usize = 16 << 10;

/// A job that is about to be its pool's.
pub(super) struct Accepted {
    pub record: Arc<Record>,
    pub pool: Pool,
    function: Arc<Function>,
    permit: Permit,
}

impl Accepted {
    /// Hands it to its pool.
    pub fn start(self, work: Work) {
        let Self { record, pool, function, permit } = self;
        pool.submit(pool::Submission { record, function, work, permit });
    }
}

/// What a job is, besides its work.
pub(super) struct JobPlan<'a> {
    pub kind: JobKind,
    pub function: &'a Arc<Function>,
    pub pool: Pool,
    /// Items to do; 1 for a call, 0 for a stream, whose items come one by one.
    pub total: usize,
    /// Items a task, for maps.
    pub chunksize: Option<usize>,
    /// Whether it is kept once it has ended.
    pub retained: bool,
}

impl Service {
    /// Runs a job that is nobody's but its caller's: forgotten once answered, abandoned when its caller leaves.
    pub(super) async fn run(&self, caller: &Caller, submission: Box<Submission>) -> Result<Answer, Refusal> {
        let submission = self.arranged(submission).await?;
        let (job, work) = self.accept_work(caller, *submission, false)?;
        let guard = AbandonOnDrop { service: self, pool: job.pool.clone(), record: Arc::clone(&job.record) };
        job.start(work);
        let outcome = guard.record.ended().await;
        Ok(Answer::Ended(Ended { record: Arc::clone(&guard.record), outcome }))
    }

    /// Accepts a job that is kept once it has ended.
    pub(super) async fn submit(
        &self,
        caller: &Caller,
        submission: Box<Submission>,
    ) -> Result<Answer, Refusal> {
        let submission = self.arranged(submission).await?;
        let (job, work) = self.accept_work(caller, *submission, true)?;
        // As it is before its pool can start it.
        let shown = JobShown::of(Arc::clone(&job.record));
        job.start(work);
        Ok(Answer::Accepted(Box::new(shown)))
    }

    /// With the arguments by name of a typed call laid out as its function takes them.
    async fn arranged(&self, mut submission: Box<Submission>) -> Result<Box<Submission>, Refusal> {
        if let WantedWork::Call { arguments, keywords, typed: true } = &mut submission.work {
            let function = self.parts_for_work()?.function(&submission.function)?;
            let by_name = std::mem::take(arguments);
            let arranged = typed_call::arrange(function, by_name, self.limits.depth_max).await?;
            (*arguments, *keywords) = (arranged.positional, arranged.keywords);
        }
        Ok(submission)
    }

    fn accept_work(
        &self,
        caller: &Caller,
        submission: Submission,
        retained: bool,
    ) -> Result<(Accepted, Work), Refusal> {
        let Submission { function, work, terms, body_bytes, room } = submission;
        let parts = self.parts_for_work()?;
        let function = parts.function(&function)?;
        let pool = parts.pool_for(function, terms.pool.as_deref())?;
        let is_small = retained && work.bytes() < body_bytes.max(BUFFER_BYTES) / 2;
        let kept = |part: Bytes| if is_small { Bytes::copy_from_slice(&part) } else { part };
        let (kind, total, chunksize, work) = match work {
            WantedWork::Call { arguments, keywords, typed } => {
                let (arguments, keywords) = (kept(arguments), keywords.map(kept));
                (JobKind::Apply, 1, None, Work::Call { arguments, keywords, typed })
            }
            WantedWork::Map { items, count, chunksize, spread, collect } => {
                let chunksize = chunksize.unwrap_or_else(|| default_chunksize(count, pool.processes()));
                let kind = if spread { JobKind::Starmap } else { JobKind::Map };
                (kind, count, Some(chunksize), Work::Map { items: kept(items), chunksize, spread, collect })
            }
        };
        let plan = JobPlan { kind, function, pool, total, chunksize, retained };
        Ok((self.accept(caller, plan, terms, room)?, work))
    }

    /// Takes a place in the queue and a record in the store.
    pub(super) fn accept(
        &self,
        caller: &Caller,
        plan: JobPlan<'_>,
        asked: TermsAsked,
        room: Reservation,
    ) -> Result<Accepted, Refusal> {
        let JobPlan { kind, function, pool, total, chunksize, retained } = plan;
        let permit = room.into_permit()?;
        let record = Arc::new(Record::new(NewJob {
            kind,
            function: Arc::clone(&function.name),
            pool: Arc::clone(&pool.name),
            owner: caller.name.clone(),
            total: total as u64,
            chunksize: chunksize.map(|chunksize| chunksize as u64),
            retained,
            terms: asked.into_terms(function.run_timeout, function.retries),
        }));
        self.jobs.insert(Arc::clone(&record));
        Ok(Accepted { record, pool, function: Arc::clone(function), permit })
    }
}

/// A job whose outcome one caller waits for: forgotten once that is there, abandoned if the caller leaves before.
struct AbandonOnDrop<'a> {
    service: &'a Service,
    pool: Pool,
    record: Arc<Record>,
}

impl Drop for AbandonOnDrop<'_> {
    fn drop(&mut self) {
        self.service.drop_job(&self.pool, &self.record);
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
