//! Tasks of a job that failed as a whole: each of their items without a record is told so, some at a time.

use super::super::task::Task;
use super::ActiveJob;
use crate::jobs::Failure;

/// Tasks of a job that failed as a whole, before it waits with others. (Tests are small and must meet it.)
const REFUSED_MAX: usize = if cfg!(test) { 2 } else { 256 };
/// So many bytes of a failure cost as much to tell as an item without any.
const TOLD_TEXT_BYTES: usize = 1 << 10;

impl ActiveJob {
    /// A task failed as a whole: each of its items without a record is told so, by [`ActiveJob::tell_refused`].
    pub fn refuse(&mut self, mut task: Task, failure: Failure) {
        task.permit = None;
        self.refused.push_back((task, failure));
    }

    /// Tasks that failed as a whole and have items left that are not told.
    pub fn refused(&self) -> usize {
        self.refused.len()
    }

    /// Whether an item of such a task can be told now: its client takes it, or waits for that very one.
    pub fn may_tell_refused(&self) -> bool {
        let may_tell = |(task, _): &(Task, Failure)| {
            let index = task.first_item + task.delivered;
            self.failure.is_some() || task.delivered >= task.items || self.may_tell(index)
        };
        self.refused.iter().any(may_tell)
    }

    fn may_tell(&self, index: u64) -> bool {
        !self.results.is_over_limit() || self.results.awaited() == Some(index)
    }

    /// Tells items of such tasks that can be told, until they count for `most`: one whose failure has long texts counts
    /// for several. Returns how many were told, and what they count for.
    pub fn tell_refused(&mut self, result_bytes_max: usize, most: u64) -> (u64, u64) {
        let (mut told, mut cost, mut at) = (0, 0, 0);
        while cost < most
            && let Some((mut task, mut failure)) = self.refused.remove(at)
        {
            let cost_of_item = 1 + (failure.kept_bytes() / TOLD_TEXT_BYTES) as u64;
            while task.delivered < task.items && cost < most {
                let index = task.first_item + task.delivered;
                if self.failure.is_some() {
                    // The job has failed: nobody is told.
                    told += task.items - task.delivered;
                    task.delivered = task.items;
                    break;
                }
                if !self.may_tell(index) {
                    break;
                }
                failure.index = Some(index);
                self.record_failure(&failure, result_bytes_max);
                task.delivered += 1;
                (told, cost) = (told + 1, cost + cost_of_item);
            }
            if task.delivered < task.items {
                self.refused.insert(at, (task, failure));
                at += 1;
            } else {
                self.close_task(&task);
                cost += 1;
            }
        }
        (told, cost)
    }

    /// Whether nothing is missing but a client that takes what is to be told.
    pub fn waits_for_client(&self) -> bool {
        !self.refused.is_empty() && self.open == self.refused.len() && !self.may_tell_refused()
    }

    /// Whether so many tasks failed as a whole that no more are handed out before some of their items were told.
    /// (The window of a stream bounds them.)
    pub fn has_backlog(&self) -> bool {
        !self.is_stream() && self.refused.len() >= REFUSED_MAX
    }
}
