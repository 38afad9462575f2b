//! How far the server is in its life, and what each step of its end means for what is served.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::answer::Answer;
use super::refusal::Refusal;
use super::{Parts, Service};
use crate::jobs::Reservation;
use crate::pool::Pool;

/// How far the server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Loading code and making workers.
    Starting = 0,
    /// Taking work.
    Serving = 1,
    /// Told to stop, still taking work (`--drain-delay`).
    Leaving = 2,
    /// Taking no more work.
    Draining = 3,
}

/// The stage, shared.
#[derive(Debug, Default)]
pub(super) struct StageCell(AtomicU8);

impl StageCell {
    fn get(&self) -> Stage {
        match self.0.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            2 => Stage::Leaving,
            _ => Stage::Draining,
        }
    }

    fn set(&self, value: Stage) {
        self.0.store(value as u8, Ordering::Relaxed);
    }
}

impl Service {
    /// All code is loaded and all workers take tasks: requests are served from now on. `false` if they were already.
    pub fn open(&self, parts: Parts) -> bool {
        let first = self.parts.set(parts).is_ok();
        self.stage.set(Stage::Serving);
        first
    }

    /// Where the server is.
    pub fn stage(&self) -> Stage {
        self.stage.get()
    }

    /// What is loaded, for looking.
    pub(super) fn parts(&self) -> Result<&Parts, Refusal> {
        self.parts.get().ok_or(Refusal::Starting)
    }

    /// What is loaded, for work.
    pub(super) fn parts_for_work(&self) -> Result<&Parts, Refusal> {
        match self.stage.get() {
            Stage::Starting => Err(Refusal::Starting),
            Stage::Draining => Err(Refusal::Draining),
            Stage::Serving | Stage::Leaving => self.parts(),
        }
    }

    /// Room for the bytes of a request that are about to be read, whatever it asks for.
    pub fn reserve(&self) -> Reservation {
        self.admission.reserve()
    }

    /// Room for the bytes of a request for work that are about to be read.
    ///
    /// # Errors
    /// No work is taken now, or too many answers wait to be taken.
    pub fn admit(&self) -> Result<Reservation, Refusal> {
        self.parts_for_work()?;
        self.answers.admit()?;
        Ok(self.admission.reserve())
    }

    /// Room for the bytes of a request for a shared object; who holds a lock can release it as long as there is a
    /// server.
    ///
    /// # Errors
    /// Nothing is served yet.
    pub fn admit_call(&self) -> Result<Reservation, Refusal> {
        self.parts()?;
        Ok(self.admission.reserve())
    }

    pub(super) fn readiness(&self) -> Result<Answer, Refusal> {
        match self.stage.get() {
            Stage::Starting => return Err(Refusal::Starting),
            Stage::Leaving | Stage::Draining => return Err(Refusal::Draining),
            Stage::Serving => {}
        }
        let unusable = |pool: &Pool| pool.permanent && !pool.is_usable();
        match self.parts()?.pools.all().into_iter().find(unusable) {
            Some(pool) => Err(Refusal::Unavailable(pool)),
            None => Ok(Answer::Ready),
        }
    }

    /// Jobs that were accepted and have not ended.
    pub fn unfinished(&self) -> usize {
        self.admission.jobs()
    }

    /// Processes that live.
    pub fn living_processes(&self) -> usize {
        self.parts.get().map_or(0, |parts| parts.processes.alive())
    }

    /// Forgets what has been kept for its time. What expires at once is let go in parts: others have their turn in
    /// between.
    pub async fn expire(&self) {
        while self.jobs.expire().await {
            tokio::task::yield_now().await;
        }
        if let Some(parts) = self.parts.get() {
            while parts.processes.expire() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The server was told to stop: it is not ready any more, and still takes work.
    pub fn leave(&self) {
        self.stage.set(Stage::Leaving);
    }

    /// No more work is taken. What waits for a shared object is told.
    pub fn refuse_work(&self) {
        self.stage.set(Stage::Draining);
        self.objects.close();
    }

    /// Ends what has not started; returns when what has started has ended.
    pub async fn drain(&self) {
        // One after the other would end the second pool's waiting jobs too late.
        let drains: Vec<_> =
            self.pools().into_iter().map(|pool| tokio::spawn(async move { pool.drain().await })).collect();
        if let Some(parts) = self.parts.get() {
            parts.processes.drain().await;
        }
        for drain in drains {
            let _ = drain.await;
        }
    }

    /// Ends everything, and waits so long for the processes of each pool to be gone.
    pub async fn stop(&self, deaths_max: Duration) {
        if let Some(parts) = self.parts.get() {
            // From here on no pool is made.
            parts.pools.end();
            let _ = timeout(deaths_max, parts.processes.stop()).await;
        }
        for pool in self.pools() {
            let _ = timeout(deaths_max, pool.stop()).await;
        }
        if let Some(parts) = self.parts.get() {
            parts.processes.end();
        }
    }

    /// Every pool that there is: they come and go. None before all code is loaded.
    pub fn pools(&self) -> Vec<Pool> {
        self.parts.get().map(|parts| parts.pools.all()).unwrap_or_default()
    }
}
