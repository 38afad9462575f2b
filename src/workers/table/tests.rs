//! The rules of hand-out, on made-up times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::checks::{HEAD_QUICK, HEAD_UNREAD};
use super::flights::FLIGHT_MAX;
use super::{Phase, WorkerKey, WorkerTable};
use crate::catalog::Function;
use crate::jobs::{JobHandle, example};
use crate::runtime::Runtime;
use crate::scheduler::{Callable, Task};
use crate::transport::Kind;

const QUICK: Duration = Duration::from_micros(20);

struct Bench {
    table: WorkerTable<()>,
    now: Instant,
    sequence: u64,
}

impl Bench {
    fn with_workers(workers: usize) -> (Self, Vec<WorkerKey>) {
        let now = Instant::now();
        let mut table = WorkerTable::new(false);
        let ids: Vec<_> =
            (0..workers).map(|_| table.add(now, now + Duration::from_secs(9), None, ())).collect();
        ids.iter().for_each(|id| table.set_ready(*id));
        (Self { table, now, sequence: 0 }, ids)
    }

    fn task(&mut self, function: &Arc<Callable>, payload_bytes: usize) -> Task {
        self.sequence += 1;
        let handle = JobHandle::new(example().info);
        Task {
            sequence: self.sequence,
            job: handle.number,
            handle,
            function: Arc::clone(function),
            kind: Kind::Call,
            tags: Bytes::new(),
            payload: vec![Bytes::from(vec![b'1'; payload_bytes])],
            payload_bytes,
            first_item: 0,
            items: 1,
            deliveries: 0,
            retries: 0,
            has_begun: false,
            delivered: 0,
            ahead: 0,
            is_stopped: false,
            cursor: None,
            permit: None,
        }
    }

    /// Places a task with a worker that takes it, or gives it back.
    #[expect(clippy::result_large_err, reason = "tests look at the task that comes back")]
    fn place(&mut self, task: Task) -> Result<WorkerKey, Task> {
        let Some(key) = self.table.choose(&task, self.now) else { return Err(task) };
        self.table.place(key, task, self.now);
        Ok(key)
    }

    /// Places tasks until none is taken; their workers in order.
    fn fill(&mut self, function: &Arc<Callable>) -> Vec<WorkerKey> {
        let mut keys = Vec::new();
        loop {
            let task = self.task(function, 8);
            match self.place(task) {
                Ok(id) => keys.push(id),
                Err(_) => return keys,
            }
        }
    }
}

fn function(measured: Option<Duration>) -> Arc<Callable> {
    let function = Callable::new(Function::new("f", Runtime::Native));
    if let Some(took) = measured {
        function.state.measured(took, 1);
    }
    function
}

#[test]
fn functions_not_yet_measured_go_one_by_one() {
    let (mut bench, _) = Bench::with_workers(2);
    assert_eq!(bench.fill(&function(None)).len(), 2);
}

#[test]
fn quick_tasks_queue_behind_heads_evenly() {
    let (mut bench, ids) = Bench::with_workers(2);
    let keys = bench.fill(&function(Some(QUICK)));
    assert_eq!(keys.len(), 2 * FLIGHT_MAX);
    for id in ids {
        assert_eq!(bench.table.flight(id).count(), FLIGHT_MAX);
    }
}

#[test]
fn slow_large_and_printing_ones_do_not() {
    let printing = function(Some(QUICK));
    printing.state.printed();
    for function in [function(Some(Duration::from_millis(3))), printing] {
        let (mut bench, _) = Bench::with_workers(2);
        assert_eq!(bench.fill(&function).len(), 2);
    }
    let (mut bench, ids) = Bench::with_workers(1);
    let quick = function(Some(QUICK));
    let large = bench.task(&quick, 5_000);
    assert_eq!(bench.place(large).ok(), Some(ids[0]));
    assert_eq!(bench.fill(&quick).len(), 0, "nothing goes behind what is streamed");
}

#[test]
fn an_old_head_takes_no_more_and_gives_back_when_somebody_idles() {
    let (mut bench, ids) = Bench::with_workers(2);
    let quick = function(Some(QUICK));
    bench.fill(&quick);
    bench.now += HEAD_QUICK;
    let task = bench.task(&quick, 8);
    assert!(bench.place(task).is_err());
    assert_eq!(bench.table.take_check(bench.now), None, "nobody idles");

    let mine: Vec<u64> = bench.table.flight(ids[1]).map(|task| task.sequence).collect();
    for sequence in mine {
        assert!(bench.table.answered(ids[1], sequence, bench.now).is_some());
    }
    assert_eq!(bench.table.take_check(bench.now), Some(ids[0]));
    let behind: Vec<u64> = bench.table.flight(ids[0]).skip(1).map(|task| task.sequence).collect();
    let (taken, head) = bench.table.take_back(ids[0], &behind);
    assert_eq!((taken.len(), head), (FLIGHT_MAX - 1, false));
    assert_eq!(bench.table.take_check(bench.now), None, "looked at just now");
}

#[test]
fn a_head_that_was_not_read_is_found_without_idlers_too() {
    let (mut bench, ids) = Bench::with_workers(1);
    let task = bench.task(&function(None), 8);
    let sequence = task.sequence;
    bench.place(task).unwrap();
    bench.now += HEAD_UNREAD;
    assert_eq!(bench.table.take_check(bench.now), Some(ids[0]));
    let (taken, head) = bench.table.take_back(ids[0], &[sequence]);
    assert!(taken.len() == 1 && head);
}

#[test]
fn only_the_head_can_be_answered() {
    let (mut bench, ids) = Bench::with_workers(1);
    bench.fill(&function(Some(QUICK)));
    assert!(bench.table.answered(ids[0], 2, bench.now).is_none());
    assert!(bench.table.answered(ids[0], 1, bench.now).is_some());
    assert!(bench.table.answered(ids[0], 1, bench.now).is_none(), "an answer counts once");
}

#[test]
fn a_slot_used_again_is_another_worker() {
    let (mut bench, ids) = Bench::with_workers(1);
    bench.fill(&function(None));
    let (_, flight, ()) = bench.table.remove(ids[0]).unwrap();
    assert_eq!(flight.len(), 1);
    let heir = bench.table.add(bench.now, bench.now + Duration::from_secs(1), None, ());
    assert_ne!(heir, ids[0]);
    assert!(bench.table.answered(ids[0], 1, bench.now).is_none());
    assert_eq!(bench.table.phase(ids[0]), None);
    assert_eq!(bench.table.expired(bench.now + Duration::from_secs(1)), Some(heir));
}

#[test]
fn the_silent_and_the_killed_get_nothing() {
    let (mut bench, ids) = Bench::with_workers(2);
    bench.table.set_unready(ids[0], Phase::Silent(bench.now + Duration::from_secs(5)));
    bench.table.set_unready(ids[1], Phase::Ending);
    assert!(bench.fill(&function(Some(QUICK))).is_empty());
    bench.table.set_ready(ids[0]);
    assert_eq!(bench.fill(&function(None)), [ids[0]]);
}

#[test]
fn tiny_tasks_share_a_worker_that_is_awake() {
    let (mut bench, ids) = Bench::with_workers(2);
    let tiny = function(Some(Duration::from_micros(2)));
    for _ in 0..10 {
        let task = bench.task(&tiny, 8);
        assert!(bench.place(task).is_ok());
    }
    assert_eq!(ids.iter().filter(|id| bench.table.flight(**id).next().is_some()).count(), 1);

    // Once it has been slow, it is not tiny for a while.
    tiny.state.measured(Duration::from_millis(1), 1);
    (0..20).for_each(|_| tiny.state.measured(Duration::from_micros(2), 1));
    let (mut bench, ids) = Bench::with_workers(2);
    for _ in 0..2 {
        let task = bench.task(&tiny, 8);
        assert!(bench.place(task).is_ok());
    }
    assert!(ids.iter().all(|id| bench.table.flight(*id).count() == 1));
}

#[test]
fn a_spare_gets_nothing_before_it_takes_a_place() {
    let (mut bench, ids) = Bench::with_workers(2);
    let spare = bench.table.add(bench.now, bench.now + Duration::from_secs(9), None, ());
    bench.table.set_spare(spare);
    assert_eq!((bench.table.alive(), bench.table.serving(), bench.table.ready()), (3, 2, 2));
    let long = Callable::new(Function::new("long", Runtime::Native));
    let mut placed = Vec::new();
    for _ in 0..2 {
        let task = bench.task(&long, 10);
        placed.push(bench.place(task).ok());
    }
    assert!(placed.iter().all(|id| id.is_some_and(|id| ids.contains(&id))), "{placed:?}");
    let task = bench.task(&long, 10);
    let task = bench.place(task).expect_err("nobody is free");
    assert_eq!(bench.table.most_dispensable_serving(1).len(), 1);
    assert_eq!(bench.table.most_dispensable_others(9), [spare]);
    bench.table.remove(ids[0]);
    assert!(bench.table.has_spare());
    bench.table.promote_spare();
    assert!(!bench.table.has_spare() && bench.table.serving() == 2);
    assert_eq!(bench.place(task).ok(), Some(spare));
    // One that is let go while it waits takes nobody's place.
    let other = bench.table.add(bench.now, bench.now + Duration::from_secs(9), None, ());
    bench.table.set_spare(other);
    bench.table.set_unready(other, Phase::Leaving);
    assert!(!bench.table.has_spare());
}

#[test]
fn what_waits_behind_heads_is_known_by_its_priority() {
    let (mut bench, keys) = Bench::with_workers(1);
    let quick = function(Some(QUICK));
    assert_eq!(bench.fill(&quick).len(), FLIGHT_MAX);
    assert_eq!((bench.table.waiting_below(0), bench.table.waiting_below(1)), (vec![], keys.clone()));
    // All but the head and the last go back; the head is answered, so that the last is the head.
    let flight: Vec<u64> = bench.table.flight(keys[0]).map(|task| task.sequence).collect();
    bench.table.take_back(keys[0], &flight[1..FLIGHT_MAX - 1]);
    assert_eq!(bench.table.waiting_below(1), keys);
    bench.table.answered(keys[0], flight[0], bench.now).unwrap();
    assert_eq!(bench.table.waiting_below(1), []);
    let task = bench.task(&quick, 8);
    bench.place(task).unwrap();
    assert_eq!(bench.table.waiting_below(1), keys);
    bench.table.unplace(keys[0]).unwrap();
    assert_eq!(bench.table.waiting_below(1), []);
    let task = bench.task(&quick, 8);
    bench.place(task).unwrap();
    bench.table.remove(keys[0]).unwrap();
    assert_eq!(bench.table.waiting_below(1), []);
}

#[test]
fn a_task_that_comes_and_goes_leaves_a_bound_and_no_search() {
    let (mut bench, _) = Bench::with_workers(2);
    bench.table.checked(bench.now + Duration::from_secs(9));
    assert_eq!(bench.table.next_check(), None, "both have become ready");
    let task = bench.task(&function(None), 8);
    let sequence = task.sequence;
    let key = bench.place(task).expect("it is idle");
    let quick = bench.now + HEAD_QUICK;
    assert_eq!(bench.table.next_check(), Some(quick), "the other one idles");
    assert!(bench.table.answered(key, sequence, bench.now).is_some());
    bench.table.checked(bench.now + HEAD_QUICK / 2);
    assert_eq!(bench.table.next_check(), Some(quick), "nothing was due: it is not made exact");
    bench.table.checked(quick);
    assert_eq!(bench.table.next_check(), None);
}

#[test]
fn the_next_head_has_a_time_of_its_own() {
    let (mut bench, _) = Bench::with_workers(1);
    let quick = function(Some(QUICK));
    let first = bench.task(&quick, 8);
    let mut second = bench.task(&quick, 8);
    let (sequence, timeout) = (first.sequence, Duration::from_millis(1));
    let terms = crate::jobs::Terms { run_timeout: Some(timeout), ..crate::jobs::Terms::default() };
    let mut info = example().info;
    info.terms = terms;
    second.handle = JobHandle::new(info);
    let key = bench.place(first).expect("it is idle");
    assert_eq!(bench.place(second).expect("behind the first"), key);
    bench.table.checked(bench.now + HEAD_UNREAD);
    assert_eq!(bench.table.overrun(bench.now + HEAD_UNREAD), None, "it is not the head yet");
    let later = bench.now + HEAD_UNREAD;
    assert_eq!(bench.table.take_check(later), Some(key), "the first head is old");
    bench.table.checked(later);
    assert!(bench.table.next_check().is_some_and(|at| at > later + timeout), "looked at just now");
    assert!(bench.table.answered(key, sequence, later).is_some());
    assert!(bench.table.next_check().is_some_and(|at| at <= later + timeout));
    assert_eq!(bench.table.overrun(later), None);
    assert_eq!(bench.table.overrun(later + timeout), Some(key));
}
