//! Taking back: what a worker has not read is read out of its pipe again and goes to others. How a worker that does
//! not read, or has lost its task, is found.

use std::sync::Arc;
use std::time::Duration;

use super::deaths::KillCause;
use super::handle::Pinged;
use super::set::WorkerSet;
use super::table::{Phase, WorkerKey};
use crate::process::WorkerProcess;
use crate::scheduler::Scheduler;
use crate::transport::{Codec, Header, Kind};

/// A head of this age that is no longer in its pipe is run, or was read by something other than the worker's loop.
const TAKEN_FOR_RUN: Duration = Duration::from_millis(500);
/// A worker that did not read its tasks must answer a ping within this.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// An answer that is on its way arrives within this.
const ANSWER_UNDER_WAY: Duration = Duration::from_millis(10);

impl WorkerSet {
    /// Reads back what a worker has not read; its tasks go back to the scheduler. `true` if its head was among them.
    pub fn take_back(&mut self, key: WorkerKey, scheduler: &mut Scheduler) -> bool {
        let Some(handle) = self.table.handle_mut(key) else { return false };
        if handle.streamed_head {
            return false;
        }
        let sequences = handle.link.take_back();
        handle.pinged = handle.pinged.filter(|pinged| !sequences.contains(&pinged.ping));
        let (tasks, head) = self.table.take_back(key, &sequences);
        for task in tasks.into_iter().rev() {
            scheduler.take_back(task);
        }
        head
    }

    /// Takes back what workers have not read of one job.
    pub fn take_back_job(&mut self, job: u64, scheduler: &mut Scheduler) {
        self.take_back_beginning(Some(job), scheduler);
        for key in self.table.holders(job) {
            self.take_back(key, scheduler);
        }
    }

    /// Takes back what waits in pipes with less priority than a new job has: that job overtakes it.
    pub fn take_back_below(&mut self, priority: i8, scheduler: &mut Scheduler) {
        for key in self.table.waiting_below(priority) {
            self.take_back(key, scheduler);
        }
    }

    /// Takes back all that workers have not read.
    pub fn take_back_all(&mut self, scheduler: &mut Scheduler) {
        self.take_back_beginning(None, scheduler);
        for key in self.table.keys().collect::<Vec<_>>() {
            // The ping that a silent worker is to answer stays in its pipe.
            if !matches!(self.table.phase(key), Some(Phase::Silent(_))) {
                self.take_back(key, scheduler);
            }
        }
    }

    /// A worker's head is old: what lies behind it goes to others. A head that was not even read shows a worker that
    /// does not read.
    pub(super) fn check_worker(&mut self, key: WorkerKey, scheduler: &mut Scheduler) {
        if self.table.take_leftovers_check(key) {
            self.ping(key);
        } else if self.is_answering(key) {
            // It runs nothing that is old.
        } else if self.table.handle(key).is_some_and(|handle| handle.streamed_head) {
            self.check_stream(key);
        } else {
            let is_unread = self.take_back_from_silent(key, scheduler);
            let is_checking = self.process(key).is_some_and(|process| process.is_checking());
            if !is_unread && !is_checking && self.table.head_age(key, self.now) >= TAKEN_FOR_RUN {
                self.ask_whether_idle(key);
            }
        }
    }

    /// Kills the worker of a head that ran for longer than it may, unless that was never read. Once the pipe is empty,
    /// only the last task of a flight can be running.
    pub(super) fn end_overrun(&mut self, key: WorkerKey, scheduler: &mut Scheduler) {
        if self.is_answering(key) {
            return self.table.check_overrun_at(key, self.now + ANSWER_UNDER_WAY);
        }
        if self.take_back_from_silent(key, scheduler) {
            return;
        }
        if self.table.flight(key).count() == 1 {
            self.kill(key, KillCause::RunTimeout);
        } else {
            self.table.check_overrun_at(key, self.now + ANSWER_UNDER_WAY);
        }
    }

    fn process(&self, key: WorkerKey) -> Option<&Arc<WorkerProcess>> {
        self.table.handle(key).and_then(|handle| handle.process.as_ref())
    }

    /// Whether the answer to its head has come and is only being checked.
    fn is_answering(&self, key: WorkerKey) -> bool {
        let answering = self.process(key).and_then(|process| process.answering());
        answering.is_some() && answering == self.table.head(key).map(|head| head.sequence)
    }

    /// Finds a worker that does not run its head. A worker reads a ping only between two tasks: if it answers while
    /// its head is out, or the ping is no longer in the pipe and there is no answer, it lost the task.
    fn ask_whether_idle(&mut self, key: WorkerKey) {
        // One that yields reads what comes meanwhile, and would take the ping for its reader's word.
        let head = self.table.head(key).filter(|head| !head.is_yielding());
        let Some(head) = head.map(|head| head.sequence) else { return };
        let Some(handle) = self.table.handle_mut(key) else { return };
        match &mut handle.pinged {
            Some(pinged) if pinged.is_unanswered => return self.kill(key, KillCause::LostTask),
            // The answer may be on its way.
            Some(pinged) => {
                pinged.is_unanswered = true;
                return;
            }
            None => {}
        }
        let ping = self.ping(key);
        if let Some(handle) = self.table.handle_mut(key) {
            handle.pinged = Some(Pinged { ping, head, is_unanswered: false });
        }
    }

    /// The answer to a ping. `true`: the worker has lost its head.
    pub(super) fn on_idle_answer(&mut self, key: WorkerKey, sequence: u64) -> bool {
        let Some(handle) = self.table.handle_mut(key) else { return false };
        let Some(pinged) = handle.pinged.take_if(|pinged| pinged.ping == sequence) else { return false };
        self.table.head(key).is_some_and(|head| head.sequence == pinged.head)
    }

    fn ping(&mut self, key: WorkerKey) -> u64 {
        let sequence = self.sequences.next();
        let ping = Header { kind: Kind::Ping, codec: Codec::None, detail: 0, sequence, length: 0 };
        if let Some(handle) = self.table.handle(key) {
            // A pipe that was just emptied has room.
            let _ = handle.link.try_send(&ping.encode());
        }
        sequence
    }

    /// The same as [`WorkerSet::take_back`] where the head should have been read by now: if it was not, its worker is
    /// pinged and gets no task before it answers.
    fn take_back_from_silent(&mut self, key: WorkerKey, scheduler: &mut Scheduler) -> bool {
        let is_unread = self.take_back(key, scheduler);
        if is_unread {
            self.table.set_unready(key, Phase::Silent(self.now + SIGN_OF_LIFE));
            self.ping(key);
        }
        is_unread
    }

    /// Kills a worker that has read nothing of a stream since the last check. A task that is not read whole has not
    /// started.
    fn check_stream(&mut self, key: WorkerKey) {
        let is_young = self.table.head_age(key, self.now) < SIGN_OF_LIFE;
        let Some(handle) = self.table.handle_mut(key) else { return };
        let streamed = handle.link.streamed();
        let has_moved = std::mem::replace(&mut handle.streamed_before, streamed) != streamed;
        if is_young || has_moved {
            return;
        }
        let is_unread = handle.stream.is_some() || handle.link.discard_stream();
        if is_unread {
            handle.stream_unread = true;
            self.kill(key, KillCause::Silent);
        } else {
            // It was read whole: from now on it is as any other.
            handle.streamed_head = false;
        }
    }
}
