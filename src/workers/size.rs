//! As many workers as there should be: started, promoted, dismissed, killed.

use std::sync::Arc;

use super::deaths::KillCause;
use super::handle::WorkerHandle;
use super::options::{BootFailure, BootReason};
use super::reports::WorkerReport;
use super::set::WorkerSet;
use super::table::{Phase, WorkerKey};
use crate::process::{ForkError, Purpose, WorkerEvent, attend};
use crate::scheduler::Scheduler;
use crate::transport::{ChildDescriptors, ParentEnds};

impl WorkerSet {
    /// Changes how many workers there should be.
    pub fn resize(&mut self, processes: usize, spare_workers: usize) {
        self.spec.processes = processes;
        self.spec.spare_workers = spare_workers;
    }

    /// Workers that there should be now.
    pub(super) fn target(&self) -> usize {
        if self.is_wanted { self.spec.processes } else { 0 }
    }

    /// Workers that should be ready beyond those: none before the set was complete for the first time.
    pub(super) fn spares(&self) -> usize {
        if self.was_complete && self.target() > 0 { self.spec.spare_workers } else { 0 }
    }

    /// Dismisses surplus workers; what waits in their pipes goes to others. Workers that take tasks and spares are
    /// counted apart.
    pub fn shed_surplus(&mut self, scheduler: &mut Scheduler) {
        let target = self.target();
        let surplus = self.table.alive().saturating_sub(target + self.spares());
        if surplus == 0 && self.spec.spare_workers == 0 {
            return;
        }
        let serving = self.table.serving().saturating_sub(target);
        let mut leaving = self.table.most_dispensable_serving(serving);
        leaving.extend(self.table.most_dispensable_others(surplus.saturating_sub(leaving.len())));
        for key in leaving {
            self.is_replacing = true;
            self.dismiss(key, KillCause::Surplus, scheduler);
        }
    }

    /// A spare takes the place of each worker that is missing. `true` if any did.
    pub fn promote_spares(&mut self) -> bool {
        let mut has_promoted = false;
        while self.table.has_spare() && self.table.serving() < self.target() {
            self.table.promote_spare();
            has_promoted = true;
        }
        has_promoted
    }

    /// A worker has booted: it takes tasks, or is a spare until one that does is missing.
    pub(super) fn enlist(&mut self, key: WorkerKey) {
        if self.table.serving() < self.target() || self.spares() == 0 {
            self.table.set_ready(key);
            self.was_complete |= self.table.serving() >= self.target();
        } else {
            self.table.set_spare(key);
        }
    }

    /// Starts workers until there are as many as there should be, spares included, unless the back-off forbids it.
    pub fn keep_size(&mut self, scheduler: &mut Scheduler) {
        if self.promote_spares() {
            self.hand_out(scheduler);
        }
        while self.table.alive() < self.target() + self.spares()
            && self.backoff.wait_until(self.now).is_none()
        {
            match ParentEnds::open() {
                Ok(ends) => self.start_worker(ends),
                Err(error) => {
                    tracing::error!(pool = %self.spec.pool, %error, "no pipes for a worker");
                    // The first retry after a failed boot is immediate; this one is not.
                    self.backoff.boot_failed(self.now);
                    self.backoff.boot_failed(self.now);
                    return;
                }
            }
        }
    }

    fn start_worker(&mut self, (ends, descriptors): (ParentEnds, ChildDescriptors)) {
        let spec = &self.spec;
        let ParentEnds { link, results, log, calls } = ends;
        let handle = WorkerHandle::new(link, self.now);
        let deadline = self.now + spec.start_timeout;
        let key = self.table.add(self.now, deadline, spec.options.budget(), handle);
        let (spawner, server) = (spec.spawner.clone(), spec.calls.clone());
        let start_timeout = spec.start_timeout;
        let (initializer, keep_threads) = (spec.options.initializer.clone(), spec.options.keep_threads);
        let purpose = Purpose::Worker { initializer, keep_threads };
        let payload_bytes_max = spec.result_bytes_max + (1 << 20);
        let reporter = Arc::clone(&self.reporter);
        tokio::spawn(async move {
            // The deadline here as well: a request that waits for a new zygote must not outlive the worker's slot.
            match tokio::time::timeout(start_timeout, spawner.fork(descriptors, purpose)).await {
                Err(_) => reporter(key, WorkerReport::NotBorn(ForkError::ZygoteLost)),
                Ok(Err(error)) => reporter(key, WorkerReport::NotBorn(error)),
                Ok(Ok(newborn)) => {
                    let process = Arc::new(newborn.process);
                    let mut attended = Some(server.attend(calls, process.pid()));
                    reporter(key, WorkerReport::Born(Arc::clone(&process), newborn.generation));
                    attend(process, results, log, payload_bytes_max, |event| {
                        if matches!(event, WorkerEvent::Died(_)) {
                            // Reaped: what it held is released before the end of its tasks is reported.
                            attended = None;
                        }
                        reporter(key, WorkerReport::Event(event));
                    })
                    .await;
                }
            }
        });
    }

    /// A worker did not become ready, or did not answer a ping, in time.
    pub(super) fn on_expired(&mut self, key: WorkerKey) {
        let cause = match self.table.phase(key) {
            Some(Phase::Starting(_)) => KillCause::Boot,
            Some(Phase::Silent(_)) => KillCause::Silent,
            Some(Phase::Ready | Phase::Spare | Phase::Leaving | Phase::Ending) | None => return,
        };
        tracing::warn!(pool = %self.spec.pool, pid = self.pid(key), ?cause, "a worker gives no sign of life");
        let Some(handle) = self.table.handle(key) else { return };
        if handle.process.is_some() {
            if cause == KillCause::Boot {
                self.boot_ended("was not ready in time (the start clock, --start-timeout)");
            }
            self.kill(key, cause);
        } else {
            // Not forked yet: the spawner has its own timeout, and a process that comes later finds no slot and is
            // killed.
            let asked = handle.asked;
            self.table.remove(key);
            self.backoff.zygote_lost(self.now, asked);
        }
    }

    /// Workers can't become ready: remembered for those who wait for them.
    pub(super) fn set_boot_failure(&mut self, failure: BootFailure) {
        let traceback = failure.exception.as_ref().and_then(|exception| exception.traceback.as_deref());
        tracing::error!(
            pool = %self.spec.pool,
            detail = failure.detail,
            traceback = traceback.unwrap_or_default(),
            "a worker did not become ready"
        );
        self.boot_failure = Some(Arc::new(failure));
    }

    /// A worker ended, or was killed, before it was ready: its initializer, or what it loaded, is the reason.
    pub(super) fn boot_ended(&mut self, how: &str) {
        self.is_replacing = false;
        self.backoff.boot_failed(self.now);
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
        self.set_boot_failure(BootFailure { reason, detail, exception: None });
    }

    /// Lets a worker end what it runs; what waits in its pipe goes to others.
    pub(super) fn dismiss(&mut self, key: WorkerKey, cause: KillCause, scheduler: &mut Scheduler) {
        self.take_back(key, scheduler);
        self.table.set_unready(key, Phase::Leaving);
        if let Some(handle) = self.table.handle_mut(key) {
            handle.dismissed = Some(cause);
        }
        self.leave_if_done(key);
    }

    /// Kills a dismissed worker that has nothing left to do.
    pub(super) fn leave_if_done(&mut self, key: WorkerKey) {
        let cause = self.table.handle(key).and_then(|handle| handle.dismissed);
        if let Some(cause) = cause
            && self.table.head(key).is_none()
        {
            self.kill(key, cause);
        }
    }

    /// Kills a worker; what becomes of its tasks is decided when its death is reported.
    pub(super) fn kill(&mut self, key: WorkerKey, cause: KillCause) {
        self.table.set_unready(key, Phase::Ending);
        let Some(handle) = self.table.handle_mut(key) else { return };
        if handle.killed.is_none() {
            tracing::debug!(pool = %self.spec.pool, pid = handle.pid(), ?cause, "a worker is killed");
            handle.killed = Some(cause);
        }
        if let Some(stream) = handle.stream.take() {
            stream.abort();
        }
        if let Some(process) = &handle.process {
            process.kill();
        }
    }

    /// Kills every worker; those that are being forked are killed when they come.
    pub fn kill_all(&mut self) {
        for key in self.table.keys().collect::<Vec<_>>() {
            self.kill(key, KillCause::Shutdown);
        }
    }

    /// Kills every worker and forgets those that are being forked.
    pub fn stop(&mut self) {
        for key in self.table.keys().collect::<Vec<_>>() {
            if self.table.handle(key).is_some_and(|handle| handle.process.is_some()) {
                self.kill(key, KillCause::Shutdown);
            } else {
                self.table.remove(key);
            }
        }
    }
}
