//! Tasks whose items each get a record: parts of answers as they come, and what a death leaves.

use bytes::Bytes;

use super::engine::Engine;
use super::fate;
use super::roster::SeatId;
use super::task::Task;
use crate::jobs::{Failure, FailureCode};
use crate::json;

impl Engine {
    /// Records of a head's next items. `None` if they don't fit it.
    pub(super) fn on_part(&mut self, id: SeatId, sequence: u64, payload: &Bytes) -> Option<()> {
        let head =
            self.roster.flight(id).next().filter(|head| head.sequence == sequence && head.is_each())?;
        let shape = json::check(payload, fate::VALUE_DEPTH_MAX).ok()?;
        let count = u64::try_from(shape.elements).ok()?;
        if shape.kind != json::Kind::Array || head.told + count > head.items {
            return None;
        }
        let first = head.told;
        self.roster.head_mut(id)?.told += count;
        // The borrow of the flight ends here; what the records need of the task is copied.
        let parts = Part { job: head_job(self, id)?, first };
        self.take_records(id, &parts, payload);
        Some(())
    }

    fn take_records(&mut self, id: SeatId, part: &Part, payload: &Bytes) {
        let limit = self.spec.result_bytes_max;
        let mut again = Vec::new();
        let mut failures = Vec::new();
        for (offset, record) in (part.first..).zip(json::elements(payload)) {
            let Some(task) = self.roster.flight(id).next() else { return };
            let index = task.first_item + offset;
            let verdict = fate::of_record(record, task, index, limit);
            let Some(run) = self.runs.get_mut(&part.job) else { return };
            match verdict {
                None => run.record_value(index, payload.slice_ref(record), limit),
                Some(failure) => match run.retry_after(task, failure.code) {
                    Some(pause) => again.extend(task.part(offset, 1).map(|task| (task, pause))),
                    None => failures.push(failure),
                },
            }
        }
        let Some(run) = self.runs.get_mut(&part.job) else { return };
        failures.iter().for_each(|failure| run.record_failure(failure));
        for (mut task, pause) in again {
            run.open_more();
            run.wait_again(&mut task);
            self.clocks.retry(self.now + pause, task);
        }
    }

    /// The last answer of such a task: the records that are still missing.
    pub(super) fn close_each(&mut self, task: &Task) {
        if let Some(run) = self.runs.get_mut(&task.job) {
            run.close_task();
            self.conclude(task.job);
        }
    }

    /// A task whose worker ended: the item that ran has failed, and those that ran before it and weren't told yet;
    /// those behind it never started.
    pub(super) fn bury(&mut self, task: &Task, failure: &Failure, items_done: u64) {
        let Some(run) = self.runs.get_mut(&task.job) else { return };
        let ran = items_done.clamp(task.told, task.items - 1);
        let mut again = Vec::new();
        for offset in task.told..=ran {
            let mut failure = failure.clone();
            failure.index = Some(task.first_item + offset);
            match run.retry_after(task, failure.code) {
                Some(pause) => again.extend(task.part(offset, 1).map(|task| (task, pause))),
                None => run.record_failure(&failure),
            }
        }
        for (mut task, pause) in again {
            run.open_more();
            run.wait_again(&mut task);
            self.clocks.retry(self.now + pause, task);
        }
        match task.part(ran + 1, task.items - ran - 1).filter(|_| ran + 1 < task.items) {
            Some(rest) => self.give_back(rest),
            None => self.close_each(task),
        }
    }

    /// An error that ends a whole task of this kind (it can't be read, say) is each item's.
    pub(super) fn fail_each(&mut self, task: &Task, failure: &Failure) {
        if failure.code == FailureCode::Cancelled || failure.code == FailureCode::Interrupted {
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
                run.record_failure(&failure);
            }
        }
        self.close_each(task);
    }
}

struct Part {
    job: u64,
    first: u64,
}

fn head_job(engine: &Engine, id: SeatId) -> Option<u64> {
    engine.roster.flight(id).next().map(|head| head.job)
}
