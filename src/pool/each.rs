//! Tasks whose items each get a record: parts of answers as they come, and what a death leaves.

use std::time::Instant;

use bytes::Bytes;

use super::clocks::Clocks;
use super::engine::Engine;
use super::fate;
use super::roster::SeatId;
use super::run::Run;
use super::task::Task;
use crate::jobs::Failure;
use crate::json;

impl Engine {
    /// Records of a head's next items. `None` if they don't fit it.
    pub(super) fn on_part(&mut self, id: SeatId, sequence: u64, payload: &Bytes) -> Option<()> {
        let task = self.roster.head_mut(id).filter(|head| head.sequence == sequence && head.is_each())?;
        let part = fate::of_part(payload, task)?;
        let first = task.told;
        task.told += part.count;
        let Some(run) = self.runs.get_mut(&task.job) else { return Some(()) };
        let limit = self.spec.result_bytes_max;
        for (offset, record) in (first..).zip(json::elements(payload)) {
            let index = task.first_item + offset;
            let Some(failure) = fate::of_record(record, part.sound, task, index, limit) else {
                run.record_value(index, payload.slice_ref(record), limit);
                continue;
            };
            end_item(run, &mut self.clocks, self.now, task, offset, &failure, limit);
        }
        Some(())
    }

    /// The last answer of such a task: the records that are still missing.
    pub(super) fn close_each(&mut self, task: &Task) {
        if let Some(run) = self.runs.get_mut(&task.job) {
            run.close_task(task);
            self.conclude(task.job);
        }
    }

    /// A task whose worker ended: what ran has failed, and what lies behind it goes on as another.
    pub(super) fn bury(&mut self, mut task: Task, failure: &Failure, items_done: u64) {
        let Some(run) = self.runs.get_mut(&task.job) else { return };
        let lost = fate::lost_items(&task, items_done);
        let behind = lost.end;
        let limit = self.spec.result_bytes_max;
        for offset in lost {
            let mut failure = failure.clone();
            failure.index = Some(task.first_item + offset);
            end_item(run, &mut self.clocks, self.now, &mut task, offset, &failure, limit);
        }
        let left = task.items - behind;
        match if left > 0 { task.part(behind, left) } else { None } {
            Some(rest) => {
                run.shrink(&task, &rest);
                self.give_back(rest);
            }
            None => self.close_each(&task),
        }
    }

    /// An error that ends a whole task of this kind (it can't be read, say) is each item's.
    pub(super) fn fail_each(&mut self, task: &Task, failure: &Failure) {
        if fate::is_of_whole_job(failure.code) {
            if let Some(run) = self.runs.get_mut(&task.job) {
                run.fail(task, failure.clone());
                self.conclude(task.job);
            }
            return;
        }
        if let Some(run) = self.runs.get_mut(&task.job) {
            for offset in task.told..task.items {
                let mut failure = failure.clone();
                failure.index = Some(task.first_item + offset);
                run.record_failure(&failure, self.spec.result_bytes_max);
            }
        }
        self.close_each(task);
    }
}

/// An item ended without a value: it is run again, as a task of its own, if its job's terms say so.
fn end_item(
    run: &mut Run,
    clocks: &mut Clocks,
    now: Instant,
    task: &mut Task,
    offset: u64,
    failure: &Failure,
    result_bytes_max: usize,
) {
    let again = run.retry_after(task, failure.code);
    match again.and_then(|pause| Some((task.part(offset, 1)?, pause))) {
        Some((mut item, pause)) => {
            run.open_more(&item);
            run.wait_again(&mut item);
            clocks.retry(now + pause, item);
        }
        None => run.record_failure(failure, result_bytes_max),
    }
}
