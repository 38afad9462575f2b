//! Turns: priorities, keys, what comes back; and against a plain model, many random histories.

use super::*;

fn at(priority: i8) -> Place {
    Place { priority, key: None }
}

fn keyed(key: &str) -> Place {
    Place { priority: 0, key: Some(key.into()) }
}

/// The jobs as they stand, each gone once it was in front.
fn drained(queue: &mut Queue) -> Vec<u64> {
    let mut jobs = Vec::new();
    while let Some(job) = queue.front() {
        jobs.push(job);
        queue.pop();
    }
    jobs
}

/// The order in which `count` tasks are handed out to jobs that never run dry.
fn handed(queue: &mut Queue, count: usize) -> Vec<u64> {
    let mut next = || {
        let job = queue.front();
        queue.turn();
        job
    };
    (0..count).map_while(|_| next()).collect()
}

#[test]
fn priority_first_then_first_come() {
    let mut queue = Queue::default();
    for (job, priority) in [(1, 0), (2, 5), (3, 0), (4, -1), (5, 5)] {
        queue.push(job, &at(priority));
    }
    queue.push_front(9, &at(0));
    assert_eq!(drained(&mut queue), [2, 5, 9, 1, 3, 4]);
    for (job, priority) in [(7, -100), (8, 100), (9, 0)] {
        queue.push(job, &at(priority));
        assert_eq!(queue.front(), Some(job));
        queue.pop();
        assert_eq!(queue.front(), None);
    }
}

#[test]
fn streams_of_one_key_that_are_fed_in_turn_do_not_pile_up() {
    let mut queue = Queue::default();
    for round in 0..2_000 {
        (0..3).for_each(|job| queue.push_once(job, &at(0)));
        queue.tidy(3, |_| true);
        let most = 2 * (2 * 3 + SPARE_ENTRIES);
        assert!(queue.length <= most, "round {round}: {}", queue.length);
    }
}

#[test]
fn numbers_without_work_do_not_pile_up() {
    let mut queue = Queue::default();
    (0..5_000).for_each(|job| queue.push(job, &keyed(&(job % 7).to_string())));
    let mut sweeps = 0;
    while queue.length > 1 {
        let before = queue.length;
        queue.tidy(1, |job| job == 4_999);
        assert!(before - queue.length <= SWEPT_AT_ONCE, "a few at a time");
        sweeps += 1;
        assert!(sweeps < 5_000, "{} are left", queue.length);
    }
    assert_eq!(queue.front(), Some(4_999));
    queue.pop();
    assert_eq!((queue.front(), queue.length), (None, 0));
    assert!(queue.levels.is_empty());
}

#[test]
fn keys_take_turns_and_a_backlog_starves_nobody() {
    let mut queue = Queue::default();
    (0..100_000).for_each(|job| queue.push(job, &keyed("crowd")));
    queue.push(200_000, &keyed("one"));
    queue.push(300_000, &at(0));
    assert_eq!(handed(&mut queue, 7), [0, 200_000, 300_000, 0, 200_000, 300_000, 0]);
    queue.push(400_000, &Place { priority: 1, key: Some("crowd".into()) });
    assert_eq!(handed(&mut queue, 2), [400_000, 400_000], "priority goes before turns");
}

#[test]
fn what_comes_back_unstarted_has_its_turn_again_and_a_retry_has_not() {
    let mut queue = Queue::default();
    for (job, key) in [(1, "a"), (2, "b"), (3, "c")] {
        queue.push(job, &keyed(key));
    }
    assert_eq!(handed(&mut queue, 2), [1, 2]);
    queue.push_front(1, &keyed("a"));
    assert_eq!(handed(&mut queue, 3), [1, 3, 2]);
    queue.push_next(9, &keyed("c"));
    assert_eq!(handed(&mut queue, 3), [1, 9, 2], "first of its key, whose turn hasn't moved");
    queue.push_next(8, &keyed("new"));
    assert_eq!(handed(&mut queue, 4), [1, 9, 2, 8]);
}

/// Keys with work, by a plain list: the first has the turn.
#[derive(Default)]
struct Model(VecDeque<(Option<Arc<str>>, VecDeque<u64>)>);

impl Model {
    fn push(&mut self, job: u64, key: &Option<Arc<str>>) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.0.push_back((key.clone(), [job].into())),
        }
    }

    fn push_front(&mut self, job: u64, key: &Option<Arc<str>>) {
        let at = self.0.iter().position(|(known, _)| known == key);
        let (key, mut jobs) = at.and_then(|at| self.0.remove(at)).unwrap_or((key.clone(), VecDeque::new()));
        if jobs.front() != Some(&job) {
            jobs.push_front(job);
        }
        self.0.push_front((key, jobs));
    }

    fn pop(&mut self) {
        let Some((_, jobs)) = self.0.front_mut() else { return };
        jobs.pop_front();
        if jobs.is_empty() {
            self.0.pop_front();
        }
    }
}

#[test]
fn any_history_goes_as_a_plain_list_would() {
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise % below
    };
    for _ in 0..200 {
        let (mut queue, mut model) = (Queue::default(), Model::default());
        for job in 0..400 {
            let key = match draw(6) {
                0 => None,
                key => Some(Arc::from(key.to_string())),
            };
            let place = Place { priority: 3, key: key.clone() };
            match draw(6) {
                0 | 1 => {
                    queue.push(job, &place);
                    model.push(job, &key);
                }
                2 => {
                    queue.push_front(job, &place);
                    model.push_front(job, &key);
                }
                3 | 4 => {
                    queue.turn();
                    model.0.rotate_left(1.min(model.0.len()));
                }
                _ => {
                    queue.pop();
                    model.pop();
                }
            }
            // All have work, and none stands twice: a sweep changes nothing.
            queue.tidy(0, |_| true);
            assert_eq!(queue.front(), model.0.front().and_then(|(_, jobs)| jobs.front().copied()));
            assert_eq!(queue.length, model.0.iter().map(|(_, jobs)| jobs.len()).sum::<usize>());
        }
    }
}
