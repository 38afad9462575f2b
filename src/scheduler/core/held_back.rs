//! Handing out while too many answers wait to be taken (see [`crate::jobs::Room`]): the queue stands still.
//!
//! Handed out is what the client of a stream waits for, since nothing else frees the records that it can't take
//! before. Where gathered values are what fills the room, so are the tasks of the first job that has gathered some:
//! its end is what frees them. If no such job is ready, the first of all is: nothing that is accepted waits for ever.

use std::sync::Arc;
use std::time::Instant;

use super::super::job::ActiveJob;
use super::super::task::Task;
use super::Scheduler;
use crate::jobs::Room;

/// What is known while tasks are held back.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    pub is_on: bool,
    /// When a function may run again that a job was passed over for.
    pub until: Option<Instant>,
}

impl Scheduler {
    /// What may be handed out now. When everything may again, streams that had their turn meanwhile are queued.
    pub(super) fn room(&mut self) -> Room {
        let room = self.answers.room();
        if room != Room::Free {
            self.held_back.is_on = true;
            self.answers.wait(&self.pool, &self.waker);
            // One may wait for the very item.
            let may_tell = |number: &u64| self.jobs.get(number).is_some_and(|job| job.may_tell_refused());
            for number in self.streams.iter().copied().filter(may_tell).collect::<Vec<_>>() {
                self.queue_refused(number);
            }
        } else if std::mem::take(&mut self.held_back.is_on) {
            self.held_back.until = None;
            for number in self.streams.iter().copied().collect::<Vec<_>>() {
                self.wake(number);
            }
        }
        room
    }

    /// The next task that is handed out all the same, and where it goes.
    pub(super) fn next_despite<W>(
        &mut self,
        room: Room,
        now: Instant,
        choose: impl FnOnce(&Task) -> Option<W>,
    ) -> Option<(Task, W)> {
        self.held_back.until = None;
        let number = self.first_despite(room, now)?;
        let job = self.jobs.get_mut(&number)?;
        let mut task = job.next_awaited().or_else(|| job.next_task())?;
        let worker = choose(&task);
        if worker.is_some()
            && let Some(limit) = task.function.state.limit()
        {
            task.permit = limit.acquire(&self.pool);
        }
        let may_run = task.permit.is_some() || task.function.state.limit().is_none();
        match worker.filter(|_| may_run) {
            Some(worker) => Some((task, worker)),
            None => {
                // It stands in the queue all the while.
                self.return_task(task);
                None
            }
        }
    }

    fn first_despite(&mut self, room: Room, now: Instant) -> Option<u64> {
        let Self { jobs, streams, gathering, held_back, pool, waker, .. } = self;
        // Many jobs may wait for one function: it is asked once.
        let mut refused: Vec<Arc<str>> = Vec::new();
        let mut may_run = |job: &ActiveJob| {
            let function = job.function();
            if refused.contains(function.name()) {
                return false;
            }
            refused.push(Arc::clone(function.name()));
            if let Some(until) = function.state.quarantined_until(now) {
                held_back.until = Some(held_back.until.map_or(until, |known| known.min(until)));
                return false;
            }
            if let Some(limit) = function.state.limit().filter(|limit| limit.free() == 0) {
                limit.wait(pool, waker);
                if limit.free() == 0 {
                    return false;
                }
            }
            refused.pop();
            true
        };
        let is =
            |number: &u64, wanted: fn(&ActiveJob) -> bool| jobs.get(number).is_some_and(|job| wanted(job));
        let awaited = streams
            .iter()
            .filter(|number| is(number, ActiveJob::has_awaited))
            .find(|number| may_run(&jobs[number]));
        if awaited.is_some() || room == Room::Full {
            return awaited.copied();
        }
        let gathering = gathering.iter().filter(|number| is(number, ActiveJob::is_ready));
        let gathering = gathering.copied().find(|number| may_run(&jobs[number]));
        let all = || jobs.iter().find(|(_, job)| job.is_ready() && may_run(job)).map(|(number, _)| *number);
        gathering.or_else(all)
    }
}
