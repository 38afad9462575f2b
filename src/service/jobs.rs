//! What is asked about jobs and done to them by their ids.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Ended, JobPage, JobShown, Printed};
use super::follow::LOOK_PERIOD;
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::jobs::{Filter, JobHandle, JobId, Lookup, State};
use crate::offload::LastOwner;

/// Jobs that are cancelled, or whose ends are counted, between two turns of the server's only thread.
const AT_ONCE_MAX: usize = 1_000;

impl Service {
    pub(super) async fn find_job(&self, id: &str) -> Result<Arc<JobHandle>, Refusal> {
        self.parts()?;
        let id = JobId::parse(id).ok_or(Refusal::UnknownJob)?;
        match self.jobs.read(id).await {
            Lookup::Found(handle) => Ok(handle),
            Lookup::Expired => Err(Refusal::Expired),
            Lookup::LostAtRestart => Err(Refusal::LostAtRestart),
            Lookup::Unknown => Err(Refusal::UnknownJob),
        }
    }

    pub(super) async fn job(&self, id: &str, wait: Duration) -> Result<Answer, Refusal> {
        let handle = self.find_job(id).await?;
        if !wait.is_zero() {
            let _ = tokio::time::timeout(wait, handle.ended()).await;
        }
        self.look_into(&handle).await;
        Ok(Answer::Job(Box::new(JobShown::of(handle))))
    }

    pub(super) async fn result(&self, id: &str, timeout: Duration) -> Result<Answer, Refusal> {
        let handle = self.find_job(id).await?;
        match tokio::time::timeout(timeout, handle.ended()).await {
            Ok(outcome) => Ok(Answer::Ended(Ended { handle, outcome })),
            Err(_) => Err(Refusal::ResultTimeout(handle, timeout)),
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
        for handle in page.items.iter().filter(|handle| handle.claim_look(LOOK_PERIOD)) {
            self.look_into(handle).await;
        }
        Ok(Answer::Jobs(JobPage {
            items: page.items.into_iter().map(JobShown::of).collect(),
            next: page.next,
        }))
    }

    pub(super) async fn cancel_job(&self, id: &str) -> Result<Answer, Refusal> {
        let handle = self.find_job(id).await?;
        if !handle.has_ended() {
            self.parts()?.cancel(&handle);
            handle.ended().await;
        }
        Ok(Answer::Job(Box::new(JobShown::of(handle))))
    }

    pub(super) async fn cancel_jobs(&self, filter: &Filter) -> Result<Answer, Refusal> {
        let parts = self.parts()?;
        // The store may have let go of them meanwhile.
        let mut ending = LastOwner::default();
        let mut cursor = None;
        loop {
            let page = self.jobs.list(filter, AT_ONCE_MAX, cursor).await;
            for handle in page.items.into_iter().filter(|handle| !handle.has_ended()) {
                parts.cancel(&handle);
                ending.push(handle);
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut cancelled = 0;
        while !ending.is_empty() {
            for _ in 0..AT_ONCE_MAX {
                let Some(handle) = ending.pop() else { break };
                if !handle.has_ended() {
                    handle.ended().await;
                }
                cancelled += u64::from(handle.state() == State::Cancelled);
            }
            ending.give_way().await;
        }
        Ok(Answer::Cancelled(cancelled))
    }

    pub(super) async fn forget_job(&self, id: &str) -> Result<Answer, Refusal> {
        let handle = self.find_job(id).await?;
        if !handle.has_ended() {
            return Err(Refusal::NotFinished(handle));
        }
        self.jobs.forget(handle.id).await;
        Ok(Answer::Done)
    }

    pub(super) async fn job_output(&self, id: &str) -> Result<Answer, Refusal> {
        let (bytes, cut) = self.find_job(id).await?.log();
        Ok(Answer::Printed(Printed { who: "job", bytes, cut }))
    }

    /// How far a running job is, in the chunks that run and by what its functions say: its pool is asked, and whoever
    /// looks next finds it.
    pub(super) async fn look_into(&self, handle: &JobHandle) {
        if handle.state() == State::Running
            && let Some(pool) = self.parts.get().and_then(|parts| parts.pools.get(&handle.pool))
            && let Some(done) = pool.items_done(handle).await
        {
            handle.saw(done);
        }
    }
}

impl Parts {
    /// A pool that is gone has ended all its jobs, or is about to.
    fn cancel(&self, handle: &JobHandle) {
        if let Some(pool) = self.pools.get(&handle.pool) {
            pool.cancel(handle);
        }
    }
}
