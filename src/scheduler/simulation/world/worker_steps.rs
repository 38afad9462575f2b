//! What workers do: read, answer, die.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::super::super::fate;
use super::super::super::task::Task;
use super::super::model::{Item, Kind, Place};
use super::{Worker, World, count, indexes};
use crate::jobs::FailureCode;
use crate::transport::{self, CheckedFrame, Codec, Frame, Header};

impl World {
    pub(super) fn read(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        worker.read = (worker.read + 1).min(worker.flight.len());
    }

    /// Takes back what a worker has not read, if it has a task of this job.
    pub(super) fn take_back(&mut self, worker: usize, of: Option<u64>) {
        let Worker { flight, read, .. } = &mut self.workers[worker];
        if of.is_some_and(|number| flight.iter().all(|task| task.job != number)) {
            return;
        }
        let unread = flight.split_off(*read);
        for task in unread.into_iter().rev() {
            self.put_back(&task);
            self.scheduler.take_back(task);
        }
    }

    /// A task waits with its job again.
    pub(super) fn put_back(&mut self, task: &Task) {
        let number = task.job;
        let Some(job) = self.left(number) else { return };
        for index in indexes(task).skip(count(task.delivered)) {
            job.put_back(index);
        }
        job.unstart();
        let place = (job.priority, job.key);
        self.lines.come_back(place, number);
        self.turns.came_back(place);
    }

    fn take_head(&mut self, worker: usize) -> Option<Task> {
        let worker = &mut self.workers[worker];
        let task = worker.flight.pop_front()?;
        worker.read = worker.read.saturating_sub(1);
        if let Some(head) = worker.flight.front() {
            if let Some(job) = self.jobs.get_mut(&head.job).filter(|job| job.is_live()) {
                job.is_started = true;
            }
            self.scheduler.begin(head);
        }
        Some(task)
    }

    /// A worker answers its head: mostly with its value.
    pub(super) fn answer(&mut self, worker: usize, how: u8) {
        if self.workers[worker].is_killed {
            return;
        }
        let raised = match how % 8 {
            6 => Some(FailureCode::FunctionRaised),
            7 => Some(FailureCode::InvalidArguments),
            _ => None,
        };
        let is_per_item = self.workers[worker].flight.front().is_some_and(Task::is_per_item);
        if is_per_item && raised.is_none() {
            self.part(worker, u8::MAX, how);
        }
        let Some(task) = self.take_head(worker) else { return };
        match raised {
            Some(code) => self.fail(task, code),
            None if is_per_item => {
                self.left(task.job);
                self.scheduler.finish_items(&task);
            }
            None => {
                let value = Bytes::from(task.payload.concat());
                if let Some(job) = self.left(task.job) {
                    job.has_results = true;
                    for index in indexes(&task) {
                        job.items[index].place = Place::Done(index.to_string());
                    }
                }
                self.scheduler.succeed(&task, &value);
            }
        }
    }

    fn fail(&mut self, task: Task, code: FailureCode) {
        let now = self.now;
        if let Some(job) = self.left(task.job) {
            let items = indexes(&task);
            if task.is_per_item() {
                let is_slow = job.kind == Kind::Stream && job.client.is_slow.load(Ordering::Relaxed);
                let is_told = !is_slow || job.is_abandoned;
                for index in items.skip(count(task.delivered)) {
                    let record = format!("{{\"error\":\"{}\"}}", code.as_str());
                    job.items[index].place =
                        if is_told { Place::Done(record) } else { Place::Untold(record) };
                    job.has_results |= is_told;
                }
            } else if let Some(delay) = job.retry_after(task.retries, code) {
                job.has_retried = true;
                for index in items {
                    job.items[index] = Item { place: Place::Paused(now + delay), retries: task.retries + 1 };
                }
            } else {
                job.failed.get_or_insert(code);
                for index in items {
                    job.items[index].place = Place::Done(String::new());
                }
            }
        }
        self.scheduler.fail(task, super::failure(code), now);
    }

    /// A worker tells the records of the next items of its head.
    pub(super) fn part(&mut self, worker: usize, most: u8, how: u8) {
        if self.workers[worker].is_killed {
            return;
        }
        let Some(task) = self.workers[worker].flight.front_mut().filter(|task| task.is_per_item()) else {
            return;
        };
        let left = task.items - task.delivered;
        let part = u64::from(most).min(left);
        if part == 0 {
            return;
        }
        self.workers[worker].read = self.workers[worker].read.max(1);
        let task = self.workers[worker].flight.front_mut().expect("it is there");
        let first = count(task.first_item + task.delivered);
        let mut records = Vec::new();
        let now = self.now;
        let mut job = self.jobs.get_mut(&task.job).filter(|job| job.is_live());
        for (nth, index) in (first..).take(count(part)).enumerate() {
            let raises = how >> (nth % 8) & 1 == 1 && how.is_multiple_of(3);
            if raises {
                let kind = transport::Kind::Raised as u8;
                records.push(format!("{{\"error\":{{\"kind\":{kind},\"told\":{{\"type\":\"E\"}}}}}}"));
            } else {
                records.push(format!("{{\"value\":{index}}}"));
            }
            let Some(job) = &mut job else { continue };
            if raises {
                Self::item_failed(job, index, FailureCode::FunctionRaised, now);
            } else {
                job.items[index].place = Place::Done(format!("{{\"value\":{index}}}"));
                job.has_results = true;
            }
        }
        let payload = Bytes::from(format!("[{}]", records.join(",")));
        let header = Header {
            kind: transport::Kind::Part,
            codec: Codec::Json,
            detail: 0,
            sequence: task.sequence,
            length: payload.len() as u64,
        };
        let mut frame = CheckedFrame::of(Frame { header, payload });
        let mut records = fate::of_part(&mut frame, task).expect("it fits the task");
        while let Some(run) = records.next_run() {
            self.scheduler.deliver(task, run, now);
        }
    }

    /// A worker dies: what it had read it has answered, all but the last, which it may have begun.
    pub(super) fn die(&mut self, worker: usize, how: u8) {
        self.take_back(worker, None);
        let is_killed = std::mem::take(&mut self.workers[worker].is_killed);
        while self.workers[worker].flight.len() > 1 {
            self.answer(worker, 0);
        }
        let Some(mut task) = self.take_head(worker) else { return };
        if !is_killed && task.function.name().as_bytes() >= b"f3".as_slice() {
            (0..4).for_each(|_| {
                task.function.state.killed_its_worker(self.now);
            });
        }
        let has_begun = !how.is_multiple_of(4) || task.delivered > 0;
        let done = u64::from(how / 4) % task.items.max(1);
        let (code, now) = (FailureCode::WorkerDied, self.now);
        if !has_begun && task.may_be_resent() {
            self.put_back(&task);
        } else if task.is_per_item() {
            let delivered = task.delivered;
            let ran = done.max(delivered) + 1;
            if let Some(job) = self.left(task.job) {
                for index in indexes(&task).take(count(ran)).skip(count(delivered)) {
                    Self::item_failed(job, index, code, now);
                }
                if ran < task.items {
                    for index in indexes(&task).skip(count(ran)) {
                        job.put_back(index);
                    }
                    let place = (job.priority, job.key);
                    job.unstart();
                    self.lines.come_back(place, task.job);
                    self.turns.came_back(place);
                }
            }
        } else {
            return self.lose_whole(task, code);
        }
        task.sequence = 0;
        self.scheduler.lose(task, has_begun, done, super::failure(code), now);
    }

    /// The same as a failure, told as a death.
    fn lose_whole(&mut self, task: Task, code: FailureCode) {
        let now = self.now;
        if let Some(job) = self.left(task.job) {
            if let Some(delay) = job.retry_after(task.retries, code) {
                job.has_retried = true;
                for index in indexes(&task) {
                    job.items[index] = Item { place: Place::Paused(now + delay), retries: task.retries + 1 };
                }
            } else {
                job.failed.get_or_insert(code);
                for index in indexes(&task) {
                    job.items[index].place = Place::Done(String::new());
                }
            }
        }
        self.scheduler.lose(task, true, 0, super::failure(code), now);
    }
}
