//! As many workers as there should be: started, given up, killed.

use std::sync::Arc;

use super::engine::{Body, Engine};
use super::events::Event;
use super::fate::KillCause;
use super::output::Lines;
use super::roster::{Phase, SeatId};
use crate::process::{ForkError, Purpose, WorkerEvent, attend};
use crate::transport::{ChildDescriptors, ParentEnds};

impl Engine {
    pub(super) fn on_expired(&mut self, id: SeatId) {
        let cause = match self.roster.phase(id) {
            Some(Phase::Starting(_)) => KillCause::Boot,
            Some(Phase::Silent(_)) => KillCause::Silent,
            Some(Phase::Ready | Phase::Spare | Phase::Leaving | Phase::Ending) | None => return,
        };
        tracing::warn!(pool = %self.spec.name, ?cause, "a worker gives no sign of life");
        if self.bodies.get(&id).is_some_and(|body| body.process.is_some()) {
            if cause == KillCause::Boot {
                self.boot_ended("was not ready in time (the start clock, --start-timeout)");
            }
            self.kill(id, cause);
        } else {
            // Not born yet: the spawner has its own clock; a late birth finds its seat taken away and is
            // killed.
            let asked = self.bodies.get(&id).map_or(self.now, |body| body.asked);
            self.forget(id);
            self.pace.zygote_lost(self.now, asked);
        }
    }

    /// Starts workers until there are as many as there should be, spares included, unless a brake is on.
    pub(super) fn keep_size(&mut self) {
        if self.promote_spares() {
            self.hand_out();
        }
        while self.stopped.is_none()
            && self.roster.alive() < self.target() + self.spares()
            && self.pace.wait_until(self.now).is_none()
        {
            let ends = match ParentEnds::open() {
                Ok(ends) => ends,
                Err(error) => {
                    tracing::error!(pool = %self.spec.name, %error, "no pipes for a worker");
                    self.pace.boot_failed(self.now);
                    self.pace.boot_failed(self.now);
                    return;
                }
            };
            self.start_worker(ends);
        }
    }

    pub(super) fn start_worker(&mut self, (ends, descriptors): (ParentEnds, ChildDescriptors)) {
        let budget = self.spec.options.budget();
        let id = self.roster.seat(self.now, self.now + self.spec.start_timeout, budget);
        let ParentEnds { link, results, log, calls } = ends;
        let body = Body {
            asked: self.now,
            link: Arc::new(link),
            process: None,
            generation: None,
            killed: None,
            stream: None,
            streamed_head: false,
            stream_unread: false,
            dismissed: None,
            answered: 0,
            answers: 0,
            streamed_before: 0,
            lines: Lines::default(),
            last: None,
            ran_last: None,
            out_of_turn: None,
            pinged: None,
            weighed: None,
        };
        self.bodies.insert(id, body);
        let (spawner, sender) = (self.spec.spawner.clone(), self.sender.clone());
        let server = self.spec.calls.clone();
        let start_timeout = self.spec.start_timeout;
        let options = &self.spec.options;
        let purpose =
            Purpose::Worker { initializer: options.initializer.clone(), keep_threads: options.keep_threads };
        let payload_bytes_max = self.spec.result_bytes_max + (1 << 20);
        tokio::spawn(async move {
            let report = |event| {
                if let Some(sender) = sender.upgrade() {
                    let _ = sender.send(event);
                }
            };
            // The clock here as well: a request that waits for a new zygote must not outlive its seat.
            match tokio::time::timeout(start_timeout, spawner.fork(descriptors, purpose)).await {
                Err(_) => report(Event::NotBorn(id, ForkError::ZygoteLost)),
                Ok(Err(error)) => report(Event::NotBorn(id, error)),
                Ok(Ok(newborn)) => {
                    let process = Arc::new(newborn.process);
                    let mut attended = Some(server.attend(calls, process.pid()));
                    report(Event::Born(id, Arc::clone(&process), newborn.generation));
                    attend(process, results, log, payload_bytes_max, |event| {
                        if matches!(event, WorkerEvent::Died(_)) {
                            // Reaped: what it held comes back before anybody is told of its tasks' end.
                            attended = None;
                        }
                        report(Event::Worker(id, event));
                    })
                    .await;
                }
            }
        });
    }

    pub(super) fn forget(&mut self, id: SeatId) {
        self.roster.unseat(id);
        self.bodies.remove(&id);
    }

    /// Lets a worker end what it runs; what waits in its pipe goes to others.
    pub(super) fn dismiss(&mut self, id: SeatId, cause: KillCause) {
        self.recall(id);
        self.roster.set_unready(id, Phase::Leaving);
        if let Some(body) = self.bodies.get_mut(&id) {
            body.dismissed = Some(cause);
        }
        self.leave_if_done(id);
    }

    /// Kills a worker that is to leave and has nothing left to do.
    pub(super) fn leave_if_done(&mut self, id: SeatId) {
        let cause = self.bodies.get(&id).and_then(|body| body.dismissed);
        if let Some(cause) = cause
            && self.roster.flight(id).next().is_none()
        {
            self.kill(id, cause);
        }
    }

    /// Kills a worker; its death tells the fate of its tasks.
    pub(super) fn kill(&mut self, id: SeatId, cause: KillCause) {
        self.roster.set_unready(id, Phase::Ending);
        let Some(body) = self.bodies.get_mut(&id) else { return };
        body.killed.get_or_insert(cause);
        if let Some(stream) = body.stream.take() {
            stream.abort();
        }
        if let Some(process) = &body.process {
            process.kill();
        }
    }
}
