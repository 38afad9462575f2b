//! What a cancel does to a job with tasks in flight.

use std::time::Duration;

use bytes::Bytes;

use super::super::callable::Callable;
use super::super::task::{Submission, Task};
use super::ActiveJob;
use crate::catalog::Function;
use crate::jobs::{Admission, AnswerBytes, Failure, FailureCode, JobHandle, Outcome, Terms, Work, example};
use crate::json::Splitter;
use crate::runtime::Runtime;

/// A map of so many tasks, each to be retried without end; all of them in flight.
fn running(tasks: u64) -> (ActiveJob, Vec<Task>) {
    let function = Callable::new(Function::new("f", Runtime::Native));
    let mut info = example().info;
    (info.total, info.chunksize) = (tasks, Some(1));
    info.terms = Terms { retries: u32::MAX, ..Terms::default() };
    let items = Bytes::from(format!("[{}]", vec!["1"; usize::try_from(tasks).unwrap()].join(",")));
    let work = Work::Map { items: Splitter::new(items), typed: false, collect: false };
    let answers = AnswerBytes::new(usize::MAX);
    let permit = Admission::new(1, 1).reserve().into_permit().unwrap();
    let handle = JobHandle::new(info);
    let mut job = ActiveJob::new(Submission { handle, function, work, sink: None, permit }, &answers);
    let tasks = std::iter::from_fn(|| job.next_task()).collect();
    (job, tasks)
}

fn is_cancelled(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Failure(failure)) if failure.code == FailureCode::Cancelled)
}

#[test]
fn a_failure_that_arrives_after_the_cancel_is_not_run_again() {
    let (mut job, tasks) = running(1);
    let raised = FailureCode::FunctionRaised;
    assert_eq!(job.retry_after(&tasks[0], raised), Some(Duration::ZERO));
    job.cancel(0);
    assert_eq!(job.retry_after(&tasks[0], raised), None);
    job.fail(&tasks[0], Failure::new(raised, "no"));
    assert!(is_cancelled(job.outcome()));
}

#[test]
fn a_task_in_its_pause_is_lost_by_the_cancel() {
    let (mut job, mut tasks) = running(2);
    job.await_retry(&mut tasks[1]);
    job.cancel(1);
    assert!(job.has_lost_work() && job.outcome().is_none(), "the other one runs");
    job.succeed(&tasks[0], &Bytes::from_static(b"[1]"), 1_000);
    assert!(is_cancelled(job.outcome()));
}

#[test]
fn what_comes_back_after_the_cancel_is_dropped() {
    let (mut job, mut tasks) = running(2);
    job.cancel(0);
    assert!(!job.give_back(tasks.pop().unwrap()));
    assert!(job.next_task().is_none() && job.has_lost_work());
    job.succeed(&tasks[0], &Bytes::from_static(b"[1]"), 1_000);
    assert!(is_cancelled(job.outcome()));
}

#[test]
fn an_answer_that_was_there_already_counts() {
    let (mut job, tasks) = running(1);
    job.cancel(0);
    job.succeed(&tasks[0], &Bytes::from_static(b"[1]"), 1_000);
    assert!(matches!(job.outcome(), Some(Outcome::Value(_))));
}
