//! What clients do: submit, feed, cancel, leave.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;

use super::super::super::core::sabotage::Sabotaged;
use super::super::super::task::{ItemSink, Submission};
use super::super::model::{Checked, Client, Item, Job, Kind, Place, Rule, ToClient, check, with_codes};
use super::{AT_ONCE, World};
use crate::jobs::{FailureCode, JobHandle, Terms, Work, example};
use crate::json::Splitter;
use crate::scheduler::Cancelling;

/// The numbers of some items, with commas between.
fn numbers(first: usize, count: usize) -> Bytes {
    Bytes::from((first..first + count).map(|index| index.to_string()).collect::<Vec<_>>().join(","))
}

impl World {
    pub(super) fn submit(&mut self, a: u8, b: u8, c: u8) {
        let kind = [Kind::Apply, Kind::Map, Kind::Items, Kind::Stream][usize::from(a % 4)];
        let function = usize::from(a / 4) % super::FUNCTIONS;
        let (priority, key) = ([0, 0, 0, 1, -1][usize::from(b % 5)], b / 5 % 3);
        let retries = u32::from(c % 3);
        let delay = Duration::from_millis(u64::from(c / 3 % 3) * 20);
        let total = match kind {
            Kind::Apply => 1,
            Kind::Map | Kind::Items => usize::from(c / 9 % 6),
            Kind::Stream => 0,
        };
        let chunksize = usize::from(b / 15 % 3) + 1;
        let wait = (c > 200).then(|| Duration::from_millis(c.into()));
        let terms = Terms {
            priority,
            key: (key > 0).then(|| Arc::from(key.to_string())),
            retries,
            retry_delay: delay,
            queue_timeout: wait,
            ..Terms::default()
        };
        let client = Arc::new(Client::default());
        let items = Bytes::from([&b"["[..], &numbers(0, total), b"]"].concat());
        let work = match kind {
            Kind::Apply => Work::Call { arguments: items, keywords: None, typed: false, yielding: false },
            Kind::Map => Work::Map { items: Splitter::new(items), typed: false, collect: false },
            Kind::Items => Work::Map { items: Splitter::new(items), typed: false, collect: true },
            Kind::Stream => Work::Stream,
        };
        let sink = matches!(work, Work::Stream)
            .then(|| Box::new(ToClient(Arc::clone(&client))) as Box<dyn ItemSink>);
        let mut info = example().info;
        (info.total, info.chunksize, info.terms) = (total as u64, Some(chunksize as u64), terms);
        let handle = JobHandle::new(info);
        let permit = self.admission.reserve().into_permit().expect("without a limit");
        let number = handle.number;
        let job = Job {
            kind,
            function,
            priority,
            key,
            retries,
            delay,
            items: (0..total).map(|_| Item::new()).collect(),
            is_whole: kind != Kind::Stream,
            client,
            deadline: wait.map(|wait| self.now + wait),
            is_started: false,
            has_results: false,
            has_retried: false,
            is_cancelled: false,
            failed: None,
            has_ended: false,
            must_end: None,
            out: 0,
            is_abandoned: false,
        };
        self.jobs.insert(number, job);
        self.lines.come((priority, key), number);
        let function = Arc::clone(&self.functions[function]);
        self.scheduler.submit(Submission { handle, function, work, sink, permit }, self.now);
    }

    /// The job that a number stands for.
    fn pick(&self, number: u8, is: impl Fn(&Job) -> bool) -> Option<u64> {
        let jobs: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| job.is_live() && is(job)).map(|(number, _)| *number).collect();
        jobs.get(usize::from(number).checked_rem(jobs.len())?).copied()
    }

    pub(super) fn cancel(&mut self, number: u8) {
        let Some(number) = self.pick(number, |_| true) else { return };
        (0..4).for_each(|worker| self.take_back(worker, Some(number)));
        if let Some(job) = self.jobs.get_mut(&number) {
            job.cancel();
            if job.out == 0 {
                job.must_end = Some(FailureCode::Cancelled);
            }
        }
        if self.scheduler.cancel(number) == Cancelling::InFlight {
            self.cancels.push_back(number);
        }
    }

    pub(super) fn finish_cancel(&mut self) {
        let Some(number) = self.cancels.pop_front() else { return };
        if self.jobs.get(&number).is_none_or(|job| !job.is_live()) {
            return;
        }
        let mut running = Vec::new();
        for worker in 0..4 {
            if self.workers[worker].flight.iter().any(|task| task.job == number) {
                self.take_back(worker, None);
            }
            if self.workers[worker].flight.back().is_some_and(|task| task.job == number) {
                running.push(worker);
            }
        }
        let Some(job) = self.jobs.get_mut(&number) else { return };
        let ends = !running.is_empty() || job.out == 0 || job.has_lost() || job.has_unfinished();
        if ends && job.end().is_none() {
            job.must_end = Some(FailureCode::Cancelled);
        }
        self.scheduler.finish_cancel(number, !running.is_empty());
        running.into_iter().for_each(|worker| self.workers[worker].is_killed = true);
    }

    pub(super) fn abandon(&mut self, number: u8) {
        let Some(number) = self.pick(number, |_| true) else { return };
        (0..4).for_each(|worker| self.take_back(worker, Some(number)));
        if let Some(job) = self.jobs.get_mut(&number) {
            job.is_abandoned = true;
            job.cancel();
            if job.out == 0 {
                job.must_end = Some(FailureCode::Cancelled);
            }
        }
        self.scheduler.abandon(number);
    }

    pub(super) fn drain(&mut self) {
        (0..4).for_each(|worker| self.take_back(worker, None));
        for job in self.jobs.values_mut().filter(|job| !job.is_started && job.is_live()) {
            job.must_end = Some(FailureCode::NotStarted);
        }
        let mut from = 0;
        while let Some(next) = self.scheduler.drain(from, AT_ONCE) {
            from = next;
        }
    }

    pub(super) fn end_all(&mut self) {
        for job in self.jobs.values_mut().filter(|job| job.is_live()) {
            job.must_end = Some(FailureCode::PoolTerminated);
        }
        let failure = |_| super::failure(FailureCode::PoolTerminated);
        while self.scheduler.end_some(AT_ONCE, failure) {}
    }

    pub(super) fn feed(&mut self, number: u8, what: u8) {
        let Some(number) = self.pick(number, |job| !job.is_whole) else { return };
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if what.is_multiple_of(4) {
            job.is_whole = true;
            return self.scheduler.feed(number, None);
        }
        let (first, count) = (job.items.len(), usize::from(what % 4));
        job.items.extend((0..count).map(|_| Item::new()));
        self.scheduler.feed(number, Some((numbers(first, count), count)));
    }

    pub(super) fn pause(&mut self, number: u8) {
        let Some(number) = self.pick(number, |job| job.kind == Kind::Stream) else { return };
        let Some(job) = self.jobs.get_mut(&number) else { return };
        if !job.client.is_slow.fetch_xor(true, Ordering::Relaxed) {
            return;
        }
        job.read_on();
        self.scheduler.wake(number);
    }

    /// Every client reads on, and every stream has an end.
    pub(super) fn end_streams(&mut self) {
        let Self { jobs, scheduler, .. } = self;
        let end = |number: u64, job: &mut Job, scheduler: &mut Sabotaged| {
            job.read_on();
            scheduler.wake(number);
            if !std::mem::replace(&mut job.is_whole, true) {
                scheduler.feed(number, None);
            }
        };
        let streams = jobs.iter_mut().filter(|(_, job)| job.kind == Kind::Stream && job.is_live());
        streams.for_each(|(number, job)| end(*number, job, scheduler));
    }

    /// A task left its worker.
    pub(super) fn left(&mut self, number: u64) -> Option<&mut Job> {
        let job = self.jobs.get_mut(&number)?;
        job.out -= 1;
        (job.is_live() && job.must_end.is_none()).then_some(job)
    }

    /// An item failed: it is retried, or that is its record.
    pub(super) fn item_failed(job: &mut Job, index: usize, code: FailureCode, now: std::time::Instant) {
        let retries = job.items[index].retries;
        match job.retry_after(retries, code) {
            Some(delay) => {
                job.items[index] = Item { place: Place::Paused(now + delay), retries: retries + 1 };
                job.has_retried = true;
            }
            None => {
                job.items[index].place = Place::Done(format!("{{\"error\":\"{}\"}}", code.as_str()));
                job.has_results = true;
            }
        }
    }
}

/// The client of a stream has the records of all its items.
pub(super) fn check_records(number: u64, job: &Job) -> Checked {
    let mut records: Vec<(u64, String)> = Vec::new();
    for (index, handle) in job.client.records.lock().iter() {
        records.push((*index, with_codes(&String::from_utf8_lossy(handle))));
    }
    records.sort();
    let done = |(index, item): (usize, &Item)| match &item.place {
        Place::Done(text) => Some((index as u64, text.clone())),
        Place::Waiting | Place::Paused(_) | Place::Out | Place::Untold(_) | Place::Dropped => None,
    };
    let expected: Vec<_> = job.items.iter().enumerate().filter_map(done).collect();
    check(records == expected, Rule::EndsOnce, || {
        format!("the client of job {number} has {records:?}, not {expected:?}")
    })
}
