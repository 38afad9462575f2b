//! Cancelling a job whose tasks are with workers: what they have not read is taken back, the answers that are in
//! their pipes are read, and who still runs a task of it is killed.

use super::deaths::KillCause;
use super::reports::WorkerReport;
use super::set::WorkerSet;
use crate::process::WorkerEvent;
use crate::scheduler::{Cancelling, Scheduler};

impl WorkerSet {
    /// What waits is dropped at once. What runs is killed once the answers that are there by now have been read.
    pub fn cancel(&mut self, job: u64, scheduler: &mut Scheduler) {
        self.take_back_job(job, scheduler);
        if scheduler.cancel(job) == Cancelling::InFlight {
            self.flush(job);
        }
    }

    /// Has the pipes of all workers read that have a task of this job.
    fn flush(&mut self, job: u64) {
        let holders = self.table.holders(job);
        *self.flushing.entry(job).or_default() += holders.len();
        for key in holders {
            let process = self.table.handle(key).and_then(|handle| handle.process.as_ref());
            // Of one that has ended, all that it wrote has been reported.
            if !process.is_some_and(|process| process.flush(job)) {
                (self.reporter)(key, WorkerReport::Event(WorkerEvent::Flushed(job)));
            }
        }
    }

    /// A worker's answers have been read.
    pub(super) fn on_flushed(&mut self, job: u64, scheduler: &mut Scheduler) {
        let Some(left) = self.flushing.get_mut(&job) else { return };
        *left -= 1;
        if *left == 0 {
            self.flushing.remove(&job);
            self.kill_runners(job, scheduler);
        }
    }

    fn kill_runners(&mut self, job: u64, scheduler: &mut Scheduler) {
        if scheduler.handle(job).is_none() {
            return;
        }
        self.hear(job, scheduler);
        let mut running = Vec::new();
        for key in self.table.holders(job) {
            self.take_back(key, scheduler);
            // What is still there was read. All but the last of it has been answered.
            if self.table.newest(key).is_some_and(|(task, _)| task.job == job) {
                running.push(key);
            }
        }
        scheduler.finish_cancel(job, !running.is_empty());
        for key in running {
            self.kill(key, KillCause::Cancelled);
        }
    }
}
