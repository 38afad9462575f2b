//! Calls that yield: a worker that yields is told how much of it has been taken, and when nobody takes it any more.

use super::set::WorkerSet;
use super::table::WorkerKey;
use crate::scheduler::Scheduler;
use crate::transport::{Codec, Header, Kind, RecordRun};

impl WorkerSet {
    /// What a worker's head yields next.
    pub(super) fn on_yielded(
        &mut self,
        key: WorkerKey,
        records: RecordRun,
        scheduler: &mut Scheduler,
    ) -> Option<()> {
        let head = self.table.head_mut(key)?;
        let (is_first, was_stopped) = (head.delivered == 0, head.is_stopped);
        head.is_stopped |= !scheduler.take_yielded(head, records);
        // Once: what it yields until it hears of it may be a whole window, and as many packets would fill its pipe.
        let is_to_stop = head.is_stopped && (is_first || !was_stopped);
        let sequence = head.sequence;
        if is_first && let Some(handle) = self.table.handle_mut(key) {
            // It has read the whole of its task, however large that is.
            handle.streamed_head = false;
        }
        if is_to_stop {
            self.tell(key, Kind::Stop, sequence, 0);
        }
        Some(())
    }

    /// The client of a yielding call has taken so many bytes more of what it yields.
    pub fn taken(&mut self, job: u64, bytes: usize) {
        for key in self.table.holders(job) {
            let Some(head) = self.table.head_mut(key).filter(|head| head.job == job) else { continue };
            head.ahead = head.ahead.saturating_sub(bytes);
            let sequence = head.sequence;
            self.tell(key, Kind::Taken, sequence, bytes);
        }
    }

    /// Nobody takes what the tasks of a job yield any more. They end by themselves, at what they yield next.
    pub fn stop_yielding(&mut self, job: u64) {
        for key in self.table.holders(job) {
            let mut flight = self.table.flight_mut(key);
            let Some(task) = flight.find(|task| task.is_yielding() && task.job == job) else { continue };
            task.is_stopped = true;
            let (has_yielded, sequence) = (task.delivered > 0, task.sequence);
            drop(flight);
            // One that has yielded nothing may not have read all of its task: it is told after its first.
            if has_yielded {
                self.tell(key, Kind::Stop, sequence, 0);
            }
        }
    }

    fn tell(&self, key: WorkerKey, kind: Kind, sequence: u64, bytes: usize) {
        let detail = u32::try_from(bytes).unwrap_or(u32::MAX);
        let header = Header { kind, codec: Codec::None, detail, sequence, length: 0 };
        if let Some(handle) = self.table.handle(key) {
            // Nothing else is in the pipe of a worker that yields but a few of these.
            let _ = handle.link.try_send(&header.encode());
        }
    }
}
