//! What functions say of how far they are, from their workers' pages. For people only.

use super::handle::WorkerHandle;
use super::set::WorkerSet;
use crate::counters;
use crate::jobs::Said;
use crate::scheduler::{Scheduler, Task};

impl WorkerSet {
    /// What those that run a job say now.
    pub fn hear(&self, job: u64, scheduler: &mut Scheduler) {
        for key in self.table.holders(job) {
            let Some(handle) = self.table.handle(key) else { continue };
            self.table.flight(key).for_each(|task| hear_of(handle, task, scheduler));
        }
    }
}

/// What the function of one task said last.
pub(super) fn hear_of(handle: &WorkerHandle, task: &Task, scheduler: &mut Scheduler) {
    let Some(said) = counters::read_progress(handle.link.page(), task.sequence) else { return };
    // Its tasks go one at a time from now on: the next one's words would take the place of the last ones.
    task.function.state.spoke();
    // The items of a map are counted.
    let amounts = (!task.is_map()).then_some((said.done, said.total));
    let message = said.message.map(String::into_boxed_str);
    if amounts.is_some() || message.is_some() {
        scheduler.said(&task.handle, Said { at: said.at, amounts, message });
    }
}
