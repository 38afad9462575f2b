//! Calls that yield: what a function yields goes to the client as it comes, and never twice.

use super::super::fate;
use super::super::results::OWN_BYTES_MIN;
use super::super::task::{RECORD_BYTES, Task};
use super::Scheduler;
use crate::transport::RecordRun;

impl Scheduler {
    /// What a task yields next. `false`: it is invalid, which is the call's failure, and the worker is to yield no
    /// more.
    pub fn take_yielded(&mut self, task: &mut Task, records: RecordRun) -> bool {
        let (limit, known) = (self.result_bytes_max, (records.valid, records.fault));
        // They stay for as long as the client likes.
        for record in records.compact(OWN_BYTES_MIN) {
            let index = task.delivered;
            task.delivered += 1;
            task.ahead += record.len() + RECORD_BYTES;
            let failure = fate::of_record(&record, known, task, index, limit);
            let is_valid = failure.is_none();
            if let Some(job) = self.jobs.get_mut(&task.job) {
                job.record_yielded(index, failure.map_or(Ok(record), Err));
            }
            if !is_valid {
                return false;
            }
        }
        true
    }
}
