//! A pool's life by request: resized, closed, terminated; and what is told of it at every moment.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::engine::Engine;
use super::fate::{self, KillCause};
use super::handle::Vitals;
use super::options::{BootFailure, BootReason};
use super::roster::SeatId;
use crate::jobs::{Failure, FailureCode, Outcome};

impl Engine {
    /// Workers that the pool should have now: none once it is closed and has nothing left to do.
    pub(super) fn target(&self) -> usize {
        let done = self.closed && self.runs.is_empty();
        if done || self.stopped.is_some() { 0 } else { self.spec.processes }
    }

    /// Workers that it should have ready beyond those: none before the pool was whole for the first time.
    pub(super) fn spares(&self) -> usize {
        if self.whole && self.target() > 0 { self.spec.spare_workers } else { 0 }
    }

    pub(super) fn on_resize(&mut self, processes: usize, spare_workers: usize) {
        self.spec.processes = processes;
        self.spec.spare_workers = spare_workers;
    }

    pub(super) fn on_close(&mut self) {
        self.closed = true;
    }

    /// Lets those workers go that are too many; what waits in their pipes goes to others. A spare is no reason to
    /// keep one that takes tasks, nor the other way round.
    pub(super) fn shed_surplus(&mut self) {
        let target = self.target();
        let surplus = self.roster.alive().saturating_sub(target + self.spares());
        if surplus == 0 && self.spec.spare_workers == 0 {
            return;
        }
        let serving = self.roster.serving().saturating_sub(target);
        let mut leaving = self.roster.most_dispensable_serving(serving);
        leaving.extend(self.roster.most_dispensable_others(surplus.saturating_sub(leaving.len())));
        for id in leaving {
            self.replaces = true;
            self.dismiss(id, KillCause::Surplus);
        }
    }

    /// A spare takes the place of each worker that is missing.
    pub(super) fn promote_spares(&mut self) -> bool {
        let mut promoted = false;
        while self.roster.has_spare() && self.roster.serving() < self.target() {
            self.roster.promote_spare();
            promoted = true;
        }
        promoted
    }

    /// A worker has booted: it takes tasks, or waits until one that does is missing.
    pub(super) fn take_on(&mut self, id: SeatId) {
        if self.roster.serving() < self.target() || self.spares() == 0 {
            self.roster.set_ready(id);
            self.whole |= self.roster.serving() >= self.target();
        } else {
            self.roster.set_spare(id);
        }
    }

    /// Ends every job and kills every worker. The reply comes when none is left, those included that are only
    /// being forked.
    pub(super) fn on_terminate(&mut self, reply: oneshot::Sender<()>) {
        self.terminated = true;
        for job in self.runs.keys().copied().collect::<Vec<_>>() {
            self.end(job, pool_terminated());
        }
        for id in self.roster.ids().collect::<Vec<_>>() {
            self.kill(id, KillCause::Shutdown);
        }
        // A second request takes the first one's place; dropping the reply tells the first.
        self.stopped = Some(reply);
    }

    /// What a job finds that comes too late.
    pub(super) fn refusal(&self) -> Outcome {
        if self.terminated {
            return pool_terminated();
        }
        Outcome::Failure(Box::new(fate::of_shutdown(false)))
    }

    /// Workers can't become ready: told to whoever waits for them.
    pub(super) fn boot_failed_for_good(&mut self, failure: BootFailure) {
        let traceback = failure.exception.as_ref().and_then(|exception| exception.traceback.as_deref());
        tracing::error!(
            pool = %self.spec.name,
            detail = failure.detail,
            traceback = traceback.unwrap_or_default(),
            "a worker did not become ready"
        );
        self.vitals.send_modify(|vitals| vitals.failure = Some(Arc::new(failure)));
    }

    /// A worker ended, or was given up, before it was ready: with an initializer that is what it was at.
    pub(super) fn boot_ended(&mut self, how: &str) {
        self.replaces = false;
        self.pace.boot_failed(self.now);
        let loads = self.spec.spawner.loading().is_some();
        let (reason, what) = match &self.spec.options.initializer {
            Some(initializer) if loads => {
                (BootReason::Loading, format!("loaded the code or ran {}", initializer.function))
            }
            Some(initializer) => {
                (BootReason::Initializer, format!("ran the initializer {}", initializer.function))
            }
            None if loads => (BootReason::Loading, "loaded the code".to_owned()),
            None => return,
        };
        let detail = format!("a worker {how} while it {what}");
        self.boot_failed_for_good(BootFailure { reason, detail, exception: None });
    }

    pub(super) fn tell_vitals(&mut self) {
        let ready = self.roster.ready();
        // A worker that was let go and is being replaced is no reason to call the pool unusable.
        let usable = ready > 0 || (self.replaces && self.roster.alive() > 0);
        let over = self.closed && self.runs.is_empty() && self.roster.is_empty();
        self.vitals.send_if_modified(|known| {
            let news = Vitals { ready, usable, over, failure: known.failure.take() };
            let same = (known.ready, known.usable, known.over) == (ready, usable, over);
            *known = news;
            !same
        });
    }
}

fn pool_terminated() -> Outcome {
    let failure =
        Failure::new(FailureCode::PoolTerminated, "the pool was terminated before the job had ended");
    Outcome::Failure(Box::new(failure))
}
