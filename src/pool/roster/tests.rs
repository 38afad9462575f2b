//! The rules of hand-out, on made-up times.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{FLIGHT_MAX, HEAD_QUICK, HEAD_UNREAD, Phase, Roster, SeatId};
use crate::jobs::{JobKind, NewJob, Record};
use crate::pool::task::Task;
use crate::pool::{Function, Runtime};
use crate::transport::Kind;

const QUICK: Duration = Duration::from_micros(20);

struct Bench {
    roster: Roster,
    now: Instant,
    sequence: u64,
}

impl Bench {
    fn with_workers(workers: usize) -> (Self, Vec<SeatId>) {
        let now = Instant::now();
        let mut roster = Roster::default();
        let ids: Vec<_> =
            (0..workers).map(|_| roster.seat(now, now + Duration::from_secs(9), None)).collect();
        ids.iter().for_each(|id| roster.set_ready(*id));
        (Self { roster, now, sequence: 0 }, ids)
    }

    fn task(&mut self, function: &Arc<Function>, payload_bytes: usize) -> Task {
        self.sequence += 1;
        let new = NewJob {
            kind: JobKind::Apply,
            function: Arc::clone(&function.name),
            pool: "native".into(),
            owner: None,
            total: 1,
            chunksize: None,
            retained: false,
            terms: crate::jobs::Terms::default(),
        };
        let record = Arc::new(Record::new(new));
        Task {
            sequence: self.sequence,
            job: record.number,
            record,
            function: Arc::clone(function),
            kind: Kind::Call,
            payload: vec![Bytes::from(vec![b'1'; payload_bytes])],
            payload_bytes,
            chunk: 0,
            first_item: 0,
            items: 1,
            deliveries: 0,
            retries: 0,
            told: 0,
            walk: None,
            slot: None,
        }
    }

    /// Places tasks until none is taken; the seats in order.
    fn fill(&mut self, function: &Arc<Function>) -> Vec<SeatId> {
        let mut seats = Vec::new();
        loop {
            let task = self.task(function, 8);
            match self.roster.place(task, self.now) {
                Ok(id) => seats.push(id),
                Err(_) => return seats,
            }
        }
    }
}

fn function(measured: Option<Duration>) -> Arc<Function> {
    let function = Function::new("f", Runtime::Native, None, None);
    if let Some(took) = measured {
        function.measured(took, 1);
    }
    Arc::new(function)
}

#[test]
fn what_nobody_knows_goes_one_by_one() {
    let (mut bench, _) = Bench::with_workers(2);
    assert_eq!(bench.fill(&function(None)).len(), 2);
}

#[test]
fn quick_tasks_queue_behind_heads_evenly() {
    let (mut bench, ids) = Bench::with_workers(2);
    let seats = bench.fill(&function(Some(QUICK)));
    assert_eq!(seats.len(), 2 * FLIGHT_MAX);
    for id in ids {
        assert_eq!(bench.roster.flight(id).count(), FLIGHT_MAX);
    }
}

#[test]
fn slow_large_and_printing_ones_do_not() {
    let printing = function(Some(QUICK));
    printing.printed();
    for function in [function(Some(Duration::from_millis(3))), printing] {
        let (mut bench, _) = Bench::with_workers(2);
        assert_eq!(bench.fill(&function).len(), 2);
    }
    let (mut bench, ids) = Bench::with_workers(1);
    let quick = function(Some(QUICK));
    let large = bench.task(&quick, 5_000);
    assert_eq!(bench.roster.place(large, bench.now).ok(), Some(ids[0]));
    assert_eq!(bench.fill(&quick).len(), 0, "nothing goes behind what is streamed");
}

#[test]
fn an_old_head_takes_no_more_and_gives_back_when_somebody_idles() {
    let (mut bench, ids) = Bench::with_workers(2);
    let quick = function(Some(QUICK));
    bench.fill(&quick);
    bench.now += HEAD_QUICK;
    let task = bench.task(&quick, 8);
    assert!(bench.roster.place(task, bench.now).is_err());
    assert_eq!(bench.roster.overdue(bench.now), None, "nobody idles");

    let mine: Vec<u64> = bench.roster.flight(ids[1]).map(|task| task.sequence).collect();
    for sequence in mine {
        assert!(bench.roster.answered(ids[1], sequence, bench.now).is_some());
    }
    assert_eq!(bench.roster.overdue(bench.now), Some(ids[0]));
    let behind: Vec<u64> = bench.roster.flight(ids[0]).skip(1).map(|task| task.sequence).collect();
    let (taken, head) = bench.roster.take_back(ids[0], &behind);
    assert_eq!((taken.len(), head), (FLIGHT_MAX - 1, false));
    assert_eq!(bench.roster.overdue(bench.now), None, "looked at just now");
}

#[test]
fn a_head_that_was_not_read_is_found_without_idlers_too() {
    let (mut bench, ids) = Bench::with_workers(1);
    let task = bench.task(&function(None), 8);
    let sequence = task.sequence;
    bench.roster.place(task, bench.now).unwrap();
    bench.now += HEAD_UNREAD;
    assert_eq!(bench.roster.overdue(bench.now), Some(ids[0]));
    let (taken, head) = bench.roster.take_back(ids[0], &[sequence]);
    assert!(taken.len() == 1 && head);
}

#[test]
fn only_the_head_can_be_answered() {
    let (mut bench, ids) = Bench::with_workers(1);
    bench.fill(&function(Some(QUICK)));
    assert!(bench.roster.answered(ids[0], 2, bench.now).is_none());
    assert!(bench.roster.answered(ids[0], 1, bench.now).is_some());
    assert!(bench.roster.answered(ids[0], 1, bench.now).is_none(), "an answer counts once");
}

#[test]
fn a_seat_taken_again_is_another_worker() {
    let (mut bench, ids) = Bench::with_workers(1);
    bench.fill(&function(None));
    let (_, flight) = bench.roster.unseat(ids[0]).unwrap();
    assert_eq!(flight.len(), 1);
    let heir = bench.roster.seat(bench.now, bench.now + Duration::from_secs(1), None);
    assert_ne!(heir, ids[0]);
    assert!(bench.roster.answered(ids[0], 1, bench.now).is_none());
    assert_eq!(bench.roster.phase(ids[0]), None);
    assert_eq!(bench.roster.expired(bench.now + Duration::from_secs(1)), Some(heir));
}

#[test]
fn the_silent_and_the_killed_get_nothing() {
    let (mut bench, ids) = Bench::with_workers(2);
    bench.roster.set_unready(ids[0], Phase::Silent(bench.now + Duration::from_secs(5)));
    bench.roster.set_unready(ids[1], Phase::Ending);
    assert!(bench.fill(&function(Some(QUICK))).is_empty());
    bench.roster.set_ready(ids[0]);
    assert_eq!(bench.fill(&function(None)), [ids[0]]);
}

#[test]
fn tiny_tasks_share_a_worker_that_is_awake() {
    let (mut bench, ids) = Bench::with_workers(2);
    let tiny = function(Some(Duration::from_micros(2)));
    for _ in 0..10 {
        let task = bench.task(&tiny, 8);
        assert!(bench.roster.place(task, bench.now).is_ok());
    }
    assert_eq!(ids.iter().filter(|id| bench.roster.flight(**id).next().is_some()).count(), 1);

    // Once it has been slow, it is not tiny for a while.
    tiny.measured(Duration::from_millis(1), 1);
    (0..20).for_each(|_| tiny.measured(Duration::from_micros(2), 1));
    let (mut bench, ids) = Bench::with_workers(2);
    for _ in 0..2 {
        let task = bench.task(&tiny, 8);
        assert!(bench.roster.place(task, bench.now).is_ok());
    }
    assert!(ids.iter().all(|id| bench.roster.flight(*id).count() == 1));
}

#[test]
fn a_spare_gets_nothing_before_it_takes_a_place() {
    let (mut bench, ids) = Bench::with_workers(2);
    let spare = bench.roster.seat(bench.now, bench.now + Duration::from_secs(9), None);
    bench.roster.set_spare(spare);
    assert_eq!((bench.roster.alive(), bench.roster.serving(), bench.roster.ready()), (3, 2, 2));
    let long = Arc::new(Function::new("long", Runtime::Native, None, None));
    let mut placed = Vec::new();
    for _ in 0..2 {
        let task = bench.task(&long, 10);
        placed.push(bench.roster.place(task, bench.now).ok());
    }
    assert!(placed.iter().all(|id| id.is_some_and(|id| ids.contains(&id))), "{placed:?}");
    let task = bench.task(&long, 10);
    let task = bench.roster.place(task, bench.now).expect_err("nobody is free");
    assert_eq!(bench.roster.most_dispensable_serving(1).len(), 1);
    assert_eq!(bench.roster.most_dispensable_others(9), [spare]);
    bench.roster.unseat(ids[0]);
    assert!(bench.roster.has_spare());
    bench.roster.promote_spare();
    assert!(!bench.roster.has_spare() && bench.roster.serving() == 2);
    assert_eq!(bench.roster.place(task, bench.now).ok(), Some(spare));
    // One that is let go while it waits takes nobody's place.
    let other = bench.roster.seat(bench.now, bench.now + Duration::from_secs(9), None);
    bench.roster.set_spare(other);
    bench.roster.set_unready(other, Phase::Leaving);
    assert!(!bench.roster.has_spare());
}
