//! How far a map is, item by item: what its workers' pages say of the chunks that run. For people only.

use super::engine::Engine;
use super::roster::SeatId;
use crate::counters;

impl Engine {
    /// Items of a job that are done, those of running chunks included.
    pub(super) fn items_done_of(&self, job: u64) -> Option<u64> {
        let run = self.runs.get(&job)?;
        let holders = self.roster.holders(job);
        let ahead: u64 = holders.into_iter().map(|id| self.items_ahead(id, job)).sum();
        Some(run.record.done() + ahead)
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
