//! What is asked about jobs and done to them by their ids.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Ended, JobPage, JobShown, Printed};
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::jobs::{Filter, JobId, Lookup, Record, State};
use crate::pool::Pool;

/// Jobs that are cancelled, or whose ends are counted, between two turns of the server's only thread.
const AT_ONCE_MAX: usize = 1_000;

impl Service {
    pub(super) fn find_job(&self, id: &str) -> Result<Arc<Record>, Refusal> {
        self.parts()?;
        let id = JobId::parse(id).ok_or(Refusal::UnknownJob)?;
        match self.jobs.get(id) {
            Lookup::Found(record) => Ok(record),
            Lookup::Expired => Err(Refusal::Expired),
            Lookup::LostAtRestart => Err(Refusal::LostAtRestart),
            Lookup::Unknown => Err(Refusal::UnknownJob),
        }
    }

    /// Whether a job can still be asked for.
    pub fn has_job(&self, id: JobId) -> bool {
        matches!(self.jobs.get(id), Lookup::Found(_))
    }

    pub(super) async fn job(&self, id: &str, wait: Duration) -> Result<Answer, Refusal> {
        let record = self.find_job(id)?;
        if !wait.is_zero() {
            let _ = tokio::time::timeout(wait, record.ended()).await;
        }
        self.look_into(&record).await;
        Ok(Answer::Job(Box::new(JobShown::of(record))))
    }

    pub(super) async fn result(&self, id: &str, timeout: Duration) -> Result<Answer, Refusal> {
        let record = self.find_job(id)?;
        match tokio::time::timeout(timeout, record.ended()).await {
            Ok(outcome) => Ok(Answer::Ended(Ended { record, outcome })),
            Err(_) => Err(Refusal::ResultTimeout(record, timeout)),
        }
    }

    pub(super) fn list_jobs(
        &self,
        filter: &Filter,
        limit: usize,
        cursor: Option<JobId>,
    ) -> Result<Answer, Refusal> {
        self.parts()?;
        let page = self.jobs.list(filter, limit, cursor);
        Ok(Answer::Jobs(JobPage {
            items: page.items.into_iter().map(JobShown::of).collect(),
            next: page.next,
        }))
    }

    pub(super) async fn cancel_job(&self, id: &str) -> Result<Answer, Refusal> {
        let record = self.find_job(id)?;
        if !record.state().is_final() {
            self.parts()?.cancel(&record);
            record.ended().await;
        }
        Ok(Answer::Job(Box::new(JobShown::of(record))))
    }

    pub(super) async fn cancel_jobs(&self, filter: &Filter) -> Result<Answer, Refusal> {
        let parts = self.parts()?;
        let mut ending = Vec::new();
        let mut cursor = None;
        loop {
            let page = self.jobs.list(filter, AT_ONCE_MAX, cursor);
            for record in page.items.into_iter().filter(|record| !record.state().is_final()) {
                parts.cancel(&record);
                ending.push(record);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut cancelled = 0;
        for some in ending.chunks(AT_ONCE_MAX) {
            for record in some {
                if !record.state().is_final() {
                    record.ended().await;
                }
                cancelled += u64::from(record.state() == State::Cancelled);
            }
            tokio::task::yield_now().await;
        }
        Ok(Answer::Cancelled(cancelled))
    }

    pub(super) fn forget_job(&self, id: &str) -> Result<Answer, Refusal> {
        let record = self.find_job(id)?;
        if !record.state().is_final() {
            return Err(Refusal::NotFinished(record));
        }
        self.jobs.forget(record.id);
        Ok(Answer::Done)
    }

    pub(super) fn job_output(&self, id: &str) -> Result<Answer, Refusal> {
        let (bytes, cut) = self.find_job(id)?.log();
        Ok(Answer::Printed(Printed { who: "job", bytes, cut }))
    }

    /// How far a running map is in the chunks that run: its pool is asked, and whoever looks next finds it.
    pub(super) async fn look_into(&self, record: &Record) {
        let has_chunks = record.state() == State::Running && record.new.chunksize.is_some();
        if has_chunks
            && let Some(pool) = self.parts.get().and_then(|parts| parts.pools.get(&record.new.pool))
            && let Some(done) = pool.items_done(record).await
        {
            record.saw(done);
        }
    }

    /// A job that was one caller's alone, who has its outcome or has left.
    pub(super) fn drop_job(&self, pool: &Pool, record: &Record) {
        if !record.state().is_final() {
            pool.abandon(record);
        }
        self.jobs.forget(record.id);
    }
}

impl Parts {
    /// A pool that is gone has ended all its jobs, or is about to.
    fn cancel(&self, record: &Record) {
        if let Some(pool) = self.pools.get(&record.new.pool) {
            pool.cancel(record);
        }
    }
}
