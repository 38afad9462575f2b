//! What is asked about jobs and done to them by their ids.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Ended, JobPage, JobShown, Printed};
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::jobs::{Filter, JobHandle, JobId, Lookup, State};

/// Jobs that are cancelled, or whose ends are counted, between two turns of the server's only thread.
const AT_ONCE_MAX: usize = 1_000;

impl Service {
    pub(super) async fn find_job(&self, id: &str) -> Result<Arc<JobHandle>, Refusal> {
        self.parts()?;
        let id = JobId::parse(id).ok_or(Refusal::UnknownJob)?;
        match self.jobs.read(id).await {
            Lookup::Found(record) => Ok(record),
            Lookup::Expired => Err(Refusal::Expired),
            Lookup::LostAtRestart => Err(Refusal::LostAtRestart),
            Lookup::Unknown => Err(Refusal::UnknownJob),
        }
    }

    pub(super) async fn job(&self, id: &str, wait: Duration) -> Result<Answer, Refusal> {
        let record = self.find_job(id).await?;
        if !wait.is_zero() {
            let _ = tokio::time::timeout(wait, record.ended()).await;
        }
        self.look_into(&record).await;
        Ok(Answer::Job(Box::new(JobShown::of(record))))
    }

    pub(super) async fn result(&self, id: &str, timeout: Duration) -> Result<Answer, Refusal> {
        let record = self.find_job(id).await?;
        match tokio::time::timeout(timeout, record.ended()).await {
            Ok(outcome) => Ok(Answer::Ended(Ended { record, outcome })),
            Err(_) => Err(Refusal::ResultTimeout(record, timeout)),
        }
    }

    pub(super) async fn list_jobs(
        &self,
        filter: &Filter,
        limit: usize,
        cursor: Option<JobId>,
    ) -> Result<Answer, Refusal> {
        self.parts()?;
        let page = self.jobs.list(filter, limit, cursor).await;
        Ok(Answer::Jobs(JobPage {
            items: page.items.into_iter().map(JobShown::of).collect(),
            next: page.next,
        }))
    }

    pub(super) async fn cancel_job(&self, id: &str) -> Result<Answer, Refusal> {
        let record = self.find_job(id).await?;
        if !record.has_ended() {
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
            let page = self.jobs.list(filter, AT_ONCE_MAX, cursor).await;
            for record in page.items.into_iter().filter(|record| !record.has_ended()) {
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
                if !record.has_ended() {
                    record.ended().await;
                }
                cancelled += u64::from(record.state() == State::Cancelled);
            }
            tokio::task::yield_now().await;
        }
        Ok(Answer::Cancelled(cancelled))
    }

    pub(super) async fn forget_job(&self, id: &str) -> Result<Answer, Refusal> {
        let record = self.find_job(id).await?;
        if !record.has_ended() {
            return Err(Refusal::NotFinished(record));
        }
        self.jobs.forget(record.id).await;
        Ok(Answer::Done)
    }

    pub(super) async fn job_output(&self, id: &str) -> Result<Answer, Refusal> {
        let (bytes, cut) = self.find_job(id).await?.log();
        Ok(Answer::Printed(Printed { who: "job", bytes, cut }))
    }

    /// How far a running map is in the chunks that run: its pool is asked, and whoever looks next finds it.
    pub(super) async fn look_into(&self, record: &JobHandle) {
        let has_chunks = record.state() == State::Running && record.chunksize.is_some();
        if has_chunks
            && let Some(pool) = self.parts.get().and_then(|parts| parts.pools.get(&record.pool))
            && let Some(done) = pool.items_done(record).await
        {
            record.saw(done);
        }
    }
}

impl Parts {
    /// A pool that is gone has ended all its jobs, or is about to.
    fn cancel(&self, record: &JobHandle) {
        if let Some(pool) = self.pools.get(&record.pool) {
            pool.cancel(record);
        }
    }
}
