//! Histories that went wrong once.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use bytes::Bytes;

use super::super::function::Function;
use super::super::task::{ItemSink, Submission, Task};
use super::{Cancelling, Scheduler};
use crate::jobs::{Admission, Failure, FailureCode, JobEvent, JobHandle, Outcome, Work, example};
use crate::runtime::Runtime;

/// A client that takes everything.
#[derive(Debug)]
struct Eager;

impl ItemSink for Eager {
    fn send(&self, _: u64, _: Bytes) {}

    fn is_over_limit(&self) -> bool {
        false
    }

    fn awaited(&self) -> Option<u64> {
        None
    }

    fn add_input(&self, _: usize) {}

    fn release_input(&self, _: usize) {}
}

fn scheduler() -> Scheduler {
    Scheduler::new("p".into(), Waker::noop().clone(), 1_000)
}

/// Submits a job; its number.
fn submit(scheduler: &mut Scheduler, function: &Arc<Function>, total: u64, work: Work) -> u64 {
    let mut info = example().info;
    info.total = total;
    let record = JobHandle::new(info);
    let sink = matches!(work, Work::Stream).then(|| Box::new(Eager) as Box<dyn ItemSink>);
    let number = record.number;
    let permit = Admission::new(1, 1).reserve().into_permit().unwrap();
    let function = Arc::clone(function);
    scheduler.submit(Submission { record, function, work, sink, permit }, Instant::now());
    number
}

/// What is handed out to a worker that takes everything.
fn hand_out(scheduler: &mut Scheduler) -> Vec<Task> {
    scheduler.start_round();
    scheduler.unpark(Instant::now());
    let mut next = || scheduler.next_task(Instant::now(), |_| Some(()));
    std::iter::from_fn(|| next().map(|(task, ())| task)).collect()
}

fn jobs(tasks: &[Task]) -> Vec<u64> {
    tasks.iter().map(|task| task.job).collect()
}

fn call() -> Work {
    Work::Call { arguments: Bytes::from_static(b"[]"), keywords: None, typed: false }
}

#[test]
fn a_parked_stream_without_items_keeps_no_permit_from_others() {
    let (mut scheduler, function) =
        (scheduler(), Arc::new(Function::new("f", Runtime::Native, None, None).at_most(Some(1))));
    let stream = submit(&mut scheduler, &function, 0, Work::Stream);
    scheduler.feed(stream, Some((Bytes::from_static(b"1"), 1)));
    let mut running = hand_out(&mut scheduler);
    let apply = submit(&mut scheduler, &function, 1, call());
    assert_eq!((jobs(&running), jobs(&hand_out(&mut scheduler))), (vec![stream], vec![]));
    scheduler.finish_items(&running.pop().unwrap());
    assert_eq!(
        jobs(&hand_out(&mut scheduler)),
        [apply],
        "the stream waits for its client, and the call for nothing"
    );
}

#[test]
fn a_cancelled_job_whose_task_comes_back_late_ends() {
    let (mut scheduler, function) = (scheduler(), Arc::new(Function::new("f", Runtime::Native, None, None)));
    let job = submit(&mut scheduler, &function, 1, call());
    let task = hand_out(&mut scheduler).pop().unwrap();
    assert_eq!(scheduler.cancel(job), Cancelling::InFlight);
    scheduler.finish_cancel(job, false);
    assert!(scheduler.events().next().is_none(), "its answer is on the way");
    let died = |_: &Task| Failure::new(FailureCode::WorkerDied, "it was not, and the worker is dead");
    scheduler.lose(task, false, 0, died, Instant::now());
    let events: Vec<JobEvent> = scheduler.events().map(|(_, event)| event).collect();
    let cancelled = |failure: &Failure| failure.code == FailureCode::Cancelled;
    assert!(matches!(&events[..], [JobEvent::Ended(Outcome::Failure(failure))] if cancelled(failure)));
    assert!(scheduler.is_empty());
}
