//! Histories that went wrong once, and how much is done in one turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::callable::Callable;
use super::super::task::{ItemSink, Submission, Task};
use super::{Cancelling, Scheduler};
use crate::catalog::Function;
use crate::jobs::{
    Admission, AnswerBytes, Failure, FailureCode, JobEvent, JobHandle, Outcome, Room, Share, Terms, Work,
    example,
};
use crate::json;
use crate::runtime::Runtime;

/// A client that takes everything, or what there is room for, or waits for an item before it can take any.
#[derive(Debug, Default)]
struct Eager {
    awaits: Option<u64>,
    room: Option<AnswerBytes>,
}

impl ItemSink for Eager {
    fn send(&self, _: u64, _: Bytes) {}

    fn is_over_limit(&self) -> bool {
        self.room.as_ref().is_some_and(|answers| answers.room() == Room::Full)
    }

    fn awaited(&self) -> Option<u64> {
        self.awaits
    }

    fn add_input(&self, _: usize) {}

    fn release_input(&self, _: usize) {}
}

fn scheduler() -> Scheduler {
    scheduler_with(&AnswerBytes::new(usize::MAX))
}

fn scheduler_with(answers: &AnswerBytes) -> Scheduler {
    Scheduler::new("p".into(), Waker::noop().clone(), 1_000, answers.clone())
}

/// Submits a job; its number.
fn submit(scheduler: &mut Scheduler, function: &Arc<Callable>, total: u64, work: Work) -> u64 {
    submit_with(scheduler, function, total, work, Terms::default())
}

fn submit_with(
    scheduler: &mut Scheduler,
    function: &Arc<Callable>,
    total: u64,
    work: Work,
    terms: Terms,
) -> u64 {
    let mut info = example().info;
    (info.total, info.terms) = (total, terms);
    let handle = JobHandle::new(info);
    let sink = matches!(work, Work::Stream).then(Eager::default);
    submit_to(scheduler, function, handle, work, sink)
}

fn submit_to(
    scheduler: &mut Scheduler,
    function: &Arc<Callable>,
    handle: Arc<JobHandle>,
    work: Work,
    sink: Option<Eager>,
) -> u64 {
    let number = handle.number;
    let permit = Admission::new(1, 1).reserve().into_permit().unwrap();
    let function = Arc::clone(function);
    let sink = sink.map(|sink| Box::new(sink) as Box<dyn ItemSink>);
    scheduler.submit(Submission { handle, function, work, sink, permit }, Instant::now());
    number
}

/// A map of `f`.
fn map(items: &'static str, collect: bool) -> Work {
    Work::Map { items: json::Splitter::new(Bytes::from_static(items.as_bytes())), typed: false, collect }
}

/// What is handed out to a worker that takes everything.
fn hand_out(scheduler: &mut Scheduler) -> Vec<Task> {
    hand_out_at(scheduler, Instant::now())
}

fn hand_out_at(scheduler: &mut Scheduler, now: Instant) -> Vec<Task> {
    scheduler.start_round();
    scheduler.unpark(now);
    let mut next = || scheduler.next_task(now, |_| Some(()));
    std::iter::from_fn(|| next().map(|(task, ())| task)).collect()
}

fn jobs(tasks: &[Task]) -> Vec<u64> {
    tasks.iter().map(|task| task.job).collect()
}

fn call() -> Work {
    Work::Call { arguments: Bytes::from_static(b"[]"), keywords: None, typed: false, yielding: false }
}

#[test]
fn a_parked_stream_without_items_keeps_no_permit_from_others() {
    let (mut scheduler, function) = (
        scheduler(),
        Callable::new(Function { max_running: Some(1), ..Function::new("f", Runtime::Native) }),
    );
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
    let (mut scheduler, function) = (scheduler(), Callable::new(Function::new("f", Runtime::Native)));
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

fn plain() -> Arc<Callable> {
    Callable::new(Function::new("f", Runtime::Native))
}

/// Jobs that have ended since this was last asked.
fn ended(scheduler: &mut Scheduler) -> usize {
    scheduler.events().filter(|(_, event)| matches!(event, JobEvent::Ended(_))).count()
}

#[test]
fn many_jobs_end_a_few_in_a_turn() {
    let (mut scheduler, function) = (scheduler(), plain());
    for _ in 0..10 {
        submit(&mut scheduler, &function, 1, call());
    }
    let started = scheduler.next_task(Instant::now(), |_| Some(())).unwrap().0;
    scheduler.begin(&started);
    assert_eq!(scheduler.counts(), (9, 1));
    let (mut from, mut turns) = (0, Vec::new());
    while let Some(next) = scheduler.drain(from, 4) {
        from = next;
        turns.push(ended(&mut scheduler));
    }
    assert_eq!((turns, scheduler.counts()), (vec![3, 4, 2], (0, 1)), "the first has started");
    for _ in 0..5 {
        submit(&mut scheduler, &function, 1, call());
    }
    let mut turns = Vec::new();
    while {
        let has_more = scheduler.end_some(4, |_| Failure::new(FailureCode::PoolTerminated, ""));
        turns.push(ended(&mut scheduler));
        has_more
    } {}
    assert_eq!((turns, scheduler.counts()), (vec![4, 2], (0, 0)));
}

#[test]
fn what_is_due_and_was_left_is_due_at_once() {
    let (mut scheduler, function) = (scheduler(), plain());
    let items = json::Splitter::new(Bytes::from_static(b"[1,2,3,4,5]"));
    let work = Work::Map { items, typed: false, collect: false };
    let terms = Terms { retries: 1, ..Terms::default() };
    let job = submit_with(&mut scheduler, &function, 5, work, terms);
    let now = Instant::now();
    for task in hand_out(&mut scheduler) {
        scheduler.fail(task, Failure::new(FailureCode::FunctionRaised, ""), now);
    }
    let mut turns = Vec::new();
    while scheduler.next_wake(now).is_some_and(|at| at <= now) {
        scheduler.queue_retries(now, 2);
        turns.push(hand_out(&mut scheduler).len());
    }
    assert_eq!(turns, [2, 2, 1]);
    assert_eq!(scheduler.cancel(job), Cancelling::InFlight);
}

#[test]
fn jobs_are_parked_and_unparked_a_few_in_a_round() {
    let now = Instant::now();
    let (mut scheduler, function) = (scheduler(), plain());
    while function.state.quarantined_until(now).is_none() {
        function.state.killed_its_worker(now);
    }
    for _ in 0..10 {
        submit(&mut scheduler, &function, 1, call());
    }
    let mut rounds = 0;
    while {
        assert!(hand_out_at(&mut scheduler, now).is_empty());
        rounds += 1;
        scheduler.is_cut_short()
    } {
        assert_eq!(scheduler.next_wake(now), Some(now));
    }
    assert!(rounds > 2, "all were parked in {rounds} rounds");
    let over = function.state.quarantined_until(now).unwrap();
    assert_eq!(scheduler.next_wake(now), Some(over));
    let (mut rounds, mut handed) = (0, Vec::new());
    while {
        handed.extend(jobs(&hand_out_at(&mut scheduler, over)));
        rounds += 1;
        scheduler.is_cut_short()
    } {}
    assert!(rounds > 2 && handed.len() == 10 && handed.is_sorted(), "{handed:?} in {rounds} rounds");
}

#[test]
fn the_many_tasks_of_a_cancelled_job_are_freed_in_turns() {
    let (mut scheduler, function) = (scheduler(), plain());
    let items = json::Splitter::new(Bytes::from(format!("[{}]", vec!["1"; 1_000].join(","))));
    let work = Work::Map { items, typed: false, collect: false };
    let terms = Terms { retries: 1, retry_delay: Duration::from_secs(60), ..Terms::default() };
    let job = submit_with(&mut scheduler, &function, 1_000, work, terms);
    let now = Instant::now();
    let tasks = hand_out(&mut scheduler);
    for (nth, task) in tasks.into_iter().enumerate() {
        if nth < 500 {
            scheduler.fail(task, Failure::new(FailureCode::FunctionRaised, ""), now);
        } else {
            scheduler.take_back(task);
        }
    }
    assert_eq!((scheduler.cancel(job), ended(&mut scheduler)), (Cancelling::Ended, 1));
    let mut turns = 0;
    while scheduler.next_wake(now) == Some(now) {
        scheduler.free(100);
        turns += 1;
    }
    assert!(turns >= 5 && scheduler.next_wake(now).is_none(), "{turns}");
}

/// How the jobs ended that have ended since.
fn ends(scheduler: &mut Scheduler) -> Vec<(u64, Outcome)> {
    let ended = |(handle, event): (Arc<JobHandle>, JobEvent)| match event {
        JobEvent::Ended(outcome) => Some((handle.number, outcome)),
        JobEvent::Started
        | JobEvent::Unstarted
        | JobEvent::Attempted(_)
        | JobEvent::AttemptFailed(..)
        | JobEvent::Extended(_)
        | JobEvent::Said(_)
        | JobEvent::Advanced(_) => None,
    };
    scheduler.events().filter_map(ended).collect()
}

#[test]
fn what_running_maps_gather_holds_back_all_but_the_first_of_them() {
    let answers = AnswerBytes::new(430);
    let function = plain();
    let mut scheduler = scheduler_with(&answers);
    let maps: Vec<u64> = (0..3).map(|_| submit(&mut scheduler, &function, 2, map("[1,2]", false))).collect();
    let next =
        |scheduler: &mut Scheduler| scheduler.next_task(Instant::now(), |_| Some(())).map(|next| next.0);
    let value = Bytes::from_static(b"[1]");
    // The first of each map is answered, the second comes back unread.
    let mut tasks: Vec<Task> = (0..4).map(|_| next(&mut scheduler).unwrap()).collect();
    for task in [tasks.remove(0), tasks.remove(1)] {
        scheduler.succeed(&task, &value);
    }
    tasks.into_iter().for_each(|task| scheduler.take_back(task));
    assert_eq!(answers.room(), Room::Free);
    let others = answers.hold(Share::Gathered, 50);
    assert_eq!(answers.room(), Room::Narrow);
    let task = next(&mut scheduler).unwrap();
    assert_eq!((task.job, next(&mut scheduler).map(|task| task.job)), (maps[0], Some(maps[1])));
    scheduler.succeed(&task, &value);
    assert!(matches!(&ends(&mut scheduler)[..], [(number, Outcome::Value(_))] if *number == maps[0]));
    assert_eq!((answers.room(), next(&mut scheduler).map(|task| task.job)), (Room::Free, Some(maps[2])));
    drop(others);
}

#[test]
fn what_nobody_takes_holds_back_all_but_what_a_client_waits_for() {
    let answers = AnswerBytes::new(100);
    let function = plain();
    let mut scheduler = scheduler_with(&answers);
    let sink = Some(Eager { awaits: Some(0), room: None });
    let mut info = example().info;
    info.total = 0;
    let stream = submit_to(&mut scheduler, &function, JobHandle::new(info), Work::Stream, sink);
    scheduler.feed(stream, Some((Bytes::from_static(b"1"), 1)));
    scheduler.feed(stream, Some((Bytes::from_static(b"2"), 1)));
    let tasks = hand_out(&mut scheduler);
    submit(&mut scheduler, &function, 1, call());
    let untaken = answers.hold(Share::Untaken, 100);
    tasks.into_iter().rev().for_each(|task| scheduler.take_back(task));
    let despite = hand_out(&mut scheduler);
    assert_eq!(despite.iter().map(|task| (task.job, task.first_item)).collect::<Vec<_>>(), [(stream, 0)]);
    drop(untaken);
    assert_eq!(hand_out(&mut scheduler).len(), 2, "the stream's other item, and the call");
}

#[test]
fn a_collecting_map_whose_chunk_is_refused_ends_at_the_limit() {
    let (mut scheduler, function) = (scheduler(), plain());
    let mut info = example().info;
    (info.total, info.chunksize) = (4, Some(4));
    let number = submit_to(&mut scheduler, &function, JobHandle::new(info), map("[1,2,3,4]", true), None);
    let task = hand_out(&mut scheduler).pop().unwrap();
    let failure = Failure::new(FailureCode::InvalidArguments, "x".repeat(600));
    scheduler.fail(task, failure, Instant::now());
    while scheduler.tell_refused() {}
    let ends = ends(&mut scheduler);
    let too_large = |failure: &Failure| failure.code == FailureCode::ResultTooLarge;
    assert!(
        matches!(&ends[..], [(ended, Outcome::Failure(failure))] if *ended == number && too_large(failure))
    );
}

#[test]
fn items_of_a_refused_chunk_are_told_in_turns() {
    let (function, now) = (plain(), Instant::now());
    let mut scheduler =
        Scheduler::new("p".into(), Waker::noop().clone(), 1 << 20, AnswerBytes::new(usize::MAX));
    let mut info = example().info;
    (info.total, info.chunksize) = (7, Some(7));
    let work = map("[1,2,3,4,5,6,7]", true);
    let number = submit_to(&mut scheduler, &function, JobHandle::new(info), work, None);
    let task = hand_out(&mut scheduler).pop().unwrap();
    scheduler.fail(task, Failure::new(FailureCode::InvalidArguments, "no"), now);
    let mut turns = 0;
    while scheduler.next_wake(now) == Some(now) {
        assert!(ends(&mut scheduler).is_empty());
        scheduler.tell_refused();
        turns += 1;
    }
    assert_eq!(turns, 4, "two a turn");
    let ends = ends(&mut scheduler);
    let [(ended, Outcome::Value(value))] = &ends[..] else { panic!("{ends:?}") };
    let records: Vec<serde_json::Value> = serde_json::from_slice(&value.text()).unwrap();
    assert!(*ended == number && records.len() == 7, "{records:?}");
}

#[test]
fn a_refused_chunk_whose_records_are_still_told_counts_at_a_cancel() {
    let (function, now) = (plain(), Instant::now());
    let mut scheduler =
        Scheduler::new("p".into(), Waker::noop().clone(), 1 << 20, AnswerBytes::new(usize::MAX));
    let mut info = example().info;
    (info.total, info.chunksize) = (5, Some(5));
    let number = submit_to(&mut scheduler, &function, JobHandle::new(info), map("[1,2,3,4,5]", true), None);
    let task = hand_out(&mut scheduler).pop().unwrap();
    assert_eq!(scheduler.cancel(number), Cancelling::InFlight);
    scheduler.fail(task, Failure::new(FailureCode::InvalidArguments, "no"), now);
    assert!(scheduler.tell_refused(), "two of five");
    scheduler.finish_cancel(number, false);
    while scheduler.tell_refused() {}
    let ends = ends(&mut scheduler);
    assert!(matches!(&ends[..], [(ended, Outcome::Value(_))] if *ended == number), "{ends:?}");
}

#[test]
fn refused_chunks_of_several_jobs_are_told_in_turn() {
    let (function, now) = (plain(), Instant::now());
    let mut scheduler =
        Scheduler::new("p".into(), Waker::noop().clone(), 1 << 20, AnswerBytes::new(usize::MAX));
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let mut info = example().info;
        (info.total, info.chunksize) = (4, Some(4));
        numbers.push(submit_to(
            &mut scheduler,
            &function,
            JobHandle::new(info),
            map("[1,2,3,4]", true),
            None,
        ));
    }
    for task in hand_out(&mut scheduler) {
        scheduler.fail(task, Failure::new(FailureCode::InvalidArguments, "no"), now);
    }
    let mut told = Vec::new();
    while scheduler.tell_refused() {
        told.extend(scheduler.events().filter_map(|(handle, event)| match event {
            JobEvent::Advanced(items) => Some((handle.number, items)),
            JobEvent::Started
            | JobEvent::Unstarted
            | JobEvent::Attempted(_)
            | JobEvent::AttemptFailed(..)
            | JobEvent::Extended(_)
            | JobEvent::Said(_)
            | JobEvent::Ended(_) => None,
        }));
    }
    let once: Vec<(u64, u64)> = numbers.iter().map(|number| (*number, 2)).collect();
    assert_eq!(told[..3], once, "each has its turn before the first has its second");
}

#[test]
fn refused_items_of_a_stream_are_told_once_there_is_room_though_no_worker_is_free() {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let (function, answers, now) = (plain(), AnswerBytes::new(1_000), Instant::now());
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut scheduler = Scheduler::new("p".into(), waker, 1 << 20, answers.clone());
    let mut info = example().info;
    info.total = 0;
    let sink = Eager { room: Some(answers.clone()), ..Eager::default() };
    let stream = submit_to(&mut scheduler, &function, JobHandle::new(info), Work::Stream, Some(sink));
    scheduler.feed(stream, Some((Bytes::from_static(b"1,2,3,4,5"), 5)));
    scheduler.feed(stream, None);
    let task = hand_out(&mut scheduler).pop().unwrap();
    let untaken = answers.hold(Share::Untaken, 2_000);
    scheduler.fail(task, Failure::new(FailureCode::InvalidArguments, "no"), now);
    assert!(!scheduler.tell_refused() && ends(&mut scheduler).is_empty(), "there is no room");
    drop(untaken);
    assert!(woken.0.load(Ordering::Relaxed), "whoever drives the scheduler is told of room");
    while scheduler.tell_refused() {}
    assert_eq!(ends(&mut scheduler).len(), 1);
}

#[test]
fn a_job_with_many_refused_tasks_waits_until_items_of_them_are_told() {
    let (function, now) = (plain(), Instant::now());
    let mut scheduler =
        Scheduler::new("p".into(), Waker::noop().clone(), 1 << 20, AnswerBytes::new(usize::MAX));
    let mut info = example().info;
    (info.total, info.chunksize) = (7, Some(1));
    submit_to(&mut scheduler, &function, JobHandle::new(info), map("[1,2,3,4,5,6,7]", true), None);
    let (mut rounds, mut refused) = (0, 0);
    while ends(&mut scheduler).is_empty() {
        let mut next = || scheduler.next_task(now, |_| Some(())).map(|(task, ())| task);
        let tasks: Vec<Task> = std::iter::from_fn(&mut next).take(2).collect();
        refused += tasks.len();
        for task in tasks {
            scheduler.fail(task, Failure::new(FailureCode::InvalidArguments, "no"), now);
        }
        assert!(scheduler.next_task(now, |_| Some(())).is_none(), "two wait");
        while scheduler.tell_refused() {}
        rounds += 1;
    }
    assert_eq!((rounds, refused), (4, 7));
}
