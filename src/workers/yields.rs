//! Streamed calls: a worker that yields is told how much of it has been taken, and when nobody takes it any more.

use super::set::WorkerSet;
use super::table::WorkerKey;
use crate::scheduler::{Scheduler, Task};
use crate::transport::{Codec, Header, Kind, RecordRun};

impl WorkerSet {
    /// What a worker's head yields next.
    pub(super) fn on_yielded(
        &mut self,
        key: WorkerKey,
        records: RecordRun,
        scheduler: &mut Scheduler,
    ) -> Option<()> {
        if !scheduler.take_yielded(self.table.head_mut(key)?, records) {
            self.stop_yielding(key, |_| true);
        }
        Some(())
    }

    /// The client of a streamed call has taken so many bytes more of what it yields.
    pub fn taken(&mut self, job: u64, bytes: usize) {
        for key in self.table.holders(job) {
            let Some(head) = self.table.head_mut(key).filter(|head| head.job == job) else { continue };
            head.ahead = head.ahead.saturating_sub(bytes);
            let (sequence, detail) = (head.sequence, u32::try_from(bytes).unwrap_or(u32::MAX));
            self.tell(key, Header { kind: Kind::Taken, codec: Codec::None, detail, sequence, length: 0 });
        }
    }

    /// Nobody takes what the tasks of a job yield any more. They end by themselves, at what they yield next.
    pub fn stop_yielding_of(&mut self, job: u64) {
        for key in self.table.holders(job) {
            self.stop_yielding(key, |task| task.job == job);
        }
    }

    /// A task that is still being written is told once it has been.
    fn stop_yielding(&mut self, key: WorkerKey, is: impl Fn(&Task) -> bool) {
        let mut stopped = Vec::new();
        for task in self.table.flight_mut(key).filter(|task| task.is_streamed() && is(task)) {
            task.is_stopped = true;
            stopped.push(task.sequence);
        }
        for sequence in stopped {
            self.tell_to_stop(key, sequence);
        }
    }

    /// A task larger than a packet has been written.
    pub(super) fn stop_if_told(&mut self, key: WorkerKey) {
        let told = self.table.flight(key).filter(|task| task.is_stopped).map(|task| task.sequence);
        for sequence in told.collect::<Vec<_>>() {
            self.tell_to_stop(key, sequence);
        }
    }

    fn tell_to_stop(&self, key: WorkerKey, sequence: u64) {
        self.tell(key, Header { kind: Kind::Stop, codec: Codec::None, detail: 0, sequence, length: 0 });
    }

    fn tell(&self, key: WorkerKey, header: Header) {
        if let Some(handle) = self.table.handle(key).filter(|handle| handle.stream.is_none()) {
            // Nothing else is in the pipe of a worker that yields but a few of these.
            let _ = handle.link.try_send(&header.encode());
        }
    }
}
