//! How far a map is, item by item: what its workers' pages say of the chunks that run. For people only.

use tokio::sync::oneshot;

use super::engine::Engine;
use super::roster::SeatId;
use crate::counters;

impl Engine {
    /// Somebody looks at a job: its record is told of the items of running chunks.
    pub(super) fn on_look(&self, job: u64, reply: oneshot::Sender<()>) {
        if let Some(run) = self.runs.get(&job) {
            let holders = self.roster.holders(job);
            run.record.saw(holders.into_iter().map(|id| self.items_ahead(id, job)).sum());
        }
        let _ = reply.send(());
    }

    /// Items of a job that a worker has done and of which the server hasn't read the answer.
    fn items_ahead(&self, id: SeatId, job: u64) -> u64 {
        let Some(body) = self.bodies.get(&id) else { return 0 };
        let Some((current, items)) = counters::items_of_current(body.link.page()) else { return 0 };
        let mut ahead = 0;
        for task in self.roster.flight(id) {
            let is_current = task.sequence == current;
            if task.job == job {
                // What stands before the current task is answered; a page may say anything.
                let done = if is_current { items.min(task.items) } else { task.items };
                ahead += done.saturating_sub(task.told);
            }
            if is_current {
                return ahead;
            }
        }
        0
    }
}
