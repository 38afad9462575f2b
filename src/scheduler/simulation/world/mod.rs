//! A scheduler in a world of random events: clients, workers that are queues in memory, another pool, a clock.

mod hand_out;
mod job_steps;
mod worker_steps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::super::callable::Callable;
use super::super::core::sabotage::{Bug, Sabotaged};
use super::super::limit::ConcurrencyPermit;
use super::super::task::Task;
use super::model::{Checked, Job, Kind, Lines, Place, Rule, Turns, check, with_codes};
use crate::catalog::Function;
use crate::jobs::{Admission, AnswerBytes, Failure, FailureCode, HeldBytes, JobEvent, Outcome, Share};
use crate::runtime::Runtime;

/// Tasks in one flight.
const FLIGHT_MAX: usize = 3;
/// Jobs or timers that are looked at in one turn: few, so that most work takes several.
const AT_ONCE: usize = 2;
/// More timers than there are.
const TIMERS: usize = 1_000;
/// Tasks of the limited function that may run at once, over both pools.
const RUNNING_MAX: usize = 2;
/// Where tasks are held back: a few chunks of values, a few values that nobody takes.
const TIGHT_BYTES: usize = 600;
/// Functions: two plain ones, one with a limit, one that kills its workers, one with both.
const FUNCTIONS: usize = 5;

/// One step of a history; the numbers are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    Submit(u8, u8, u8),
    /// A worker reads one more task of its pipe.
    Read(u8),
    Answer(u8, u8),
    /// Records of some items of a head.
    Part(u8, u8, u8),
    Die(u8, u8),
    TakeBack(u8),
    Cancel(u8),
    FinishCancel,
    Abandon(u8),
    Feed(u8, u8),
    /// The client of a stream stops reading, or goes on.
    Pause(u8),
    Resize(u8),
    Time(u8),
    /// Another pool takes a permit, or releases one.
    OtherPool(bool),
    PipeFull,
    Drain,
    EndAll,
}

impl Step {
    pub fn of([kind, a, b, c]: [u8; 4]) -> Self {
        match kind {
            0..64 => Self::Submit(a, b, c),
            64..90 => Self::Read(a),
            90..150 => Self::Answer(a, b),
            150..162 => Self::Part(a, b, c),
            162..174 => Self::Die(a, b),
            174..186 => Self::TakeBack(a),
            186..194 => Self::Cancel(a),
            194..202 => Self::FinishCancel,
            202..208 => Self::Abandon(a),
            208..220 => Self::Feed(a, b),
            220..226 => Self::Pause(a),
            226..230 => Self::Resize(a),
            230..243 => Self::Time(a),
            243..246 => Self::PipeFull,
            246..254 => Self::OtherPool(a.is_multiple_of(2)),
            254 => Self::Drain,
            255 => Self::EndAll,
        }
    }
}

#[derive(Debug, Default)]
struct Worker {
    flight: VecDeque<Task>,
    /// How many of them it has read.
    read: usize,
    /// It was killed, and its death is to come.
    is_killed: bool,
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

pub struct World {
    scheduler: Sabotaged,
    functions: Vec<Arc<Callable>>,
    jobs: BTreeMap<u64, Job>,
    lines: Lines,
    turns: Turns,
    workers: Vec<Worker>,
    /// Workers that take tasks.
    size: usize,
    cancels: VecDeque<u64>,
    other_pool: Vec<ConcurrencyPermit>,
    woken: Arc<Woken>,
    /// The next task to be handed out can't be written.
    is_pipe_full: bool,
    /// One could not be, and nothing has been handed out since.
    is_stalled: bool,
    admission: Admission,
    answers: AnswerBytes,
    /// So few bytes of answers may be held that tasks are held back: their order is another one.
    is_tight: bool,
    /// Values that clients have not taken yet.
    untaken: VecDeque<HeldBytes>,
    now: Instant,
    sequence: u64,
}

impl World {
    pub fn new(bug: Option<Bug>, is_tight: bool) -> Self {
        let answers = AnswerBytes::new(if is_tight { TIGHT_BYTES } else { usize::MAX });
        let woken = Arc::new(Woken::default());
        let limit = |index: usize| (index == 2 || index == 4).then_some(RUNNING_MAX);
        let function = |index: usize| {
            let plain = Function::new(&format!("f{index}"), Runtime::Native);
            Callable::new(Function { max_running: limit(index), ..plain })
        };
        Self {
            scheduler: Sabotaged::new(bug, "p".into(), Waker::from(Arc::clone(&woken)), answers.clone()),
            functions: (0..FUNCTIONS).map(function).collect(),
            jobs: BTreeMap::new(),
            lines: Lines::default(),
            turns: Turns::default(),
            workers: (0..4).map(|_| Worker::default()).collect(),
            size: 2,
            cancels: VecDeque::new(),
            other_pool: Vec::new(),
            woken,
            is_pipe_full: false,
            is_stalled: false,
            admission: Admission::new(usize::MAX, usize::MAX),
            answers,
            is_tight,
            untaken: VecDeque::new(),
            now: Instant::now(),
            sequence: 0,
        }
    }

    /// Makes all steps, and then all that is left to do; checks the rules after each.
    pub fn run(mut self, steps: &[Step]) -> Checked {
        for step in steps {
            self.step(*step)?;
        }
        self.finish()
    }

    fn step(&mut self, step: Step) -> Checked {
        // No two steps at one moment: timers are due one after the other.
        self.now += Duration::from_micros(1);
        let mut hands_out = true;
        match step {
            Step::Submit(a, b, c) => self.submit(a, b, c),
            Step::Read(a) => self.read(usize::from(a) % 4),
            Step::Answer(a, b) => self.answer(usize::from(a) % 4, b),
            Step::Part(a, b, c) => self.part(usize::from(a) % 4, b, c),
            Step::Die(a, b) => self.die(usize::from(a) % 4, b),
            Step::TakeBack(a) => self.take_back(usize::from(a) % 4, None),
            Step::Cancel(a) => self.cancel(a),
            Step::FinishCancel => self.finish_cancel(),
            Step::Abandon(a) => self.abandon(a),
            Step::Feed(a, b) => self.feed(a, b),
            Step::Pause(a) => self.pause(a),
            Step::Resize(a) => self.size = usize::from(a) % 5,
            Step::Time(_) if self.untaken.pop_front().is_some() => {}
            Step::Time(a) if a < 200 => self.now += Duration::from_millis(a.into()),
            Step::Time(a) => self.now += Duration::from_secs(u64::from(a - 200)),
            Step::OtherPool(takes) => {
                let limit = self.functions[2].state.limit().map(Arc::clone);
                if takes {
                    self.other_pool.extend(limit.and_then(|limit| limit.acquire(&"other".into())));
                } else {
                    self.other_pool.pop();
                    // Nothing else makes this pool look.
                    hands_out = self.woken.0.swap(false, Ordering::SeqCst);
                }
            }
            Step::PipeFull => self.is_pipe_full = true,
            Step::Drain => self.drain(),
            Step::EndAll => self.end_all(),
        }
        if hands_out { self.settle() } else { self.check_rules() }
    }

    /// What the actor does after each event.
    fn settle(&mut self) -> Checked {
        while self.scheduler.tell_refused() {}
        self.scheduler.free(AT_ONCE);
        for _ in 0..self.retries_due().div_ceil(AT_ONCE) {
            self.scheduler.queue_retries(self.now, AT_ONCE);
        }
        self.timeouts_due()?;
        self.hand_out()?;
        while self.scheduler.tell_refused() {}
        self.check_rules()
    }

    /// Items whose retry is due wait again, in the order of their times. Returns how many they are.
    fn retries_due(&mut self) -> usize {
        let (mut due, mut count) = (BTreeSet::new(), 0);
        for (number, job) in self.jobs.iter_mut().filter(|(_, job)| job.is_live()) {
            for item in &mut job.items {
                if let Place::Paused(at) = item.place
                    && at <= self.now
                {
                    item.place = Place::Waiting;
                    count += 1;
                    due.insert((at, *number));
                }
            }
        }
        for (_, number) in due {
            let job = &self.jobs[&number];
            self.lines.come_back((job.priority, job.key), number);
        }
        count
    }

    /// Jobs that have waited for too long end, in the order of their deadlines. What is taken back for one may be
    /// all that had started of the next.
    fn timeouts_due(&mut self) -> Checked {
        loop {
            let now = self.now;
            let waits = self.jobs.iter_mut().filter(|(_, job)| job.is_live() && job.must_end.is_none());
            let due = waits.filter_map(|(number, job)| Some((job.deadline?, *number, job)));
            let Some((_, number, job)) =
                due.filter(|(at, ..)| *at <= now).min_by_key(|(at, number, _)| (*at, *number))
            else {
                break;
            };
            job.deadline = None;
            if job.is_started {
                continue;
            }
            let overdue = self.scheduler.overdue(now, &mut TIMERS.clone());
            check(overdue == Some(number), Rule::Timers, || format!("{overdue:?} is overdue, not {number}"))?;
            (0..4).for_each(|worker| self.take_back(worker, Some(number)));
            // A task that was read, and is not a head yet, stays.
            if let Some(job) = self.jobs.get_mut(&number).filter(|job| job.out == 0 && job.end().is_none()) {
                job.must_end = Some(FailureCode::QueueTimeout);
            }
            self.scheduler.end_overdue(number);
        }
        let overdue = self.scheduler.overdue(self.now, &mut TIMERS.clone());
        check(overdue.is_none(), Rule::Timers, || format!("{overdue:?} is not overdue"))
    }

    /// Whether a function may run now.
    fn may_run(&self, function: usize) -> bool {
        let state = &self.functions[function].state;
        let is_full = state.limit().is_some() && self.running(function) >= RUNNING_MAX;
        !is_full && state.quarantined_until(self.now).is_none()
    }

    /// Tasks of a limited function that run in both pools.
    fn running(&self, function: usize) -> usize {
        let name = self.functions[function].name();
        let flights = self.workers.iter().flat_map(|worker| &worker.flight);
        let others = if function == 2 { self.other_pool.len() } else { 0 };
        flights.filter(|task| task.function.name() == name).count() + others
    }

    fn free_worker(&self) -> Option<usize> {
        let free = |worker: &&usize| {
            let Worker { flight, is_killed, .. } = &self.workers[**worker];
            flight.len() < FLIGHT_MAX && !is_killed
        };
        let workers: Vec<usize> = (0..self.size.min(4)).collect();
        workers.iter().filter(free).min_by_key(|worker| self.workers[**worker].flight.len()).copied()
    }

    /// Jobs that could be handed something out of.
    fn eligible(&self) -> Vec<u64> {
        let runs: Vec<bool> = (0..FUNCTIONS).map(|function| self.may_run(function)).collect();
        let is_eligible = |job: &Job| job.has_work() && runs[job.function];
        self.jobs.iter().filter(|(_, job)| is_eligible(job)).map(|(number, _)| *number).collect()
    }

    /// Places with work of functions that are never parked.
    fn waiting_places(&self) -> Vec<(i8, u8)> {
        let plain = self.jobs.values().filter(|job| job.function < 2 && job.has_work());
        plain.map(|job| (job.priority, job.key)).collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn check_rules(&mut self) -> Checked {
        self.apply_events()?;
        for (number, job) in &self.jobs {
            let end = job.end().filter(|_| job.is_live());
            check(end.is_none(), Rule::EndsOnce, || format!("job {number} is done and has not ended"))?;
            check(job.must_end.is_none() || job.has_ended, Rule::EndsOnce, || {
                format!("job {number} should have ended as {:?}", job.must_end)
            })?;
        }
        let live = self.jobs.values().filter(|job| job.is_live());
        let running = live.clone().filter(|job| job.is_started).count();
        let counts = (live.clone().count() - running, running);
        let are = self.scheduler.counts();
        check(are == counts, Rule::States, || format!("queued and running are {are:?}, not {counts:?}"))?;
        let accepted = live.count();
        let admitted = self.admission.jobs();
        check(admitted == accepted, Rule::Limits, || format!("{admitted} jobs count, not {accepted}"))?;
        for function in [2, 4] {
            let free = self.functions[function].state.limit().map_or(0, |limit| limit.free());
            let expected = RUNNING_MAX.saturating_sub(self.running(function));
            check(free == expected, Rule::Limits, || {
                format!("{free} permits of f{function} are free, not {expected}")
            })?;
        }
        self.check_timers()?;
        if self.free_worker().is_some() && !self.is_stalled && !self.is_tight {
            let left = self.eligible();
            check(left.is_empty(), Rule::NothingLost, || format!("{left:?} could run and nobody was woken"))?;
        }
        self.jobs.retain(|_, job| job.is_live() || job.out > 0);
        Ok(())
    }

    fn check_timers(&self) -> Checked {
        let paused = |job: &Job| {
            let at = |item: &super::model::Item| match item.place {
                Place::Paused(at) => Some(at),
                Place::Waiting | Place::Out | Place::Untold(_) | Place::Done(_) | Place::Dropped => None,
            };
            job.items.iter().filter_map(at).chain(job.deadline.filter(|_| !job.is_started)).min()
        };
        let due = self.jobs.values().filter(|job| job.is_live()).filter_map(paused).min();
        let wake = self.scheduler.next_wake(self.now);
        let is_in_time = due.is_none_or(|due| wake.is_some_and(|wake| wake <= due));
        check(is_in_time, Rule::Timers, || format!("the scheduler sleeps beyond {due:?}"))
    }

    fn apply_events(&mut self) -> Checked {
        for (handle, event) in self.scheduler.events() {
            let JobEvent::Ended(outcome) = event else { continue };
            let number = handle.number;
            let job = self.jobs.get_mut(&number).filter(|job| job.is_live());
            let Some(job) = job else {
                return check(false, Rule::EndsOnce, || format!("job {number} ends a second time"));
            };
            let expected = match job.must_end {
                Some(code) => Some(Err(code)),
                None => job.end(),
            };
            let (is, text) = match &outcome {
                Outcome::Value(value) => {
                    (Ok(()), Some(with_codes(&String::from_utf8_lossy(&value.pieces.concat()))))
                }
                Outcome::Failure(failure) => (Err(failure.code), None),
            };
            check(expected == Some(is), Rule::EndsOnce, || {
                format!("job {number} ends as {is:?} and should as {expected:?}: {job:?}")
            })?;
            check(text.is_none_or(|text| text == job.value()), Rule::EndsOnce, || {
                format!("the value of job {number} is {outcome:?}, not {}", job.value())
            })?;
            if job.kind == Kind::Stream && is.is_ok() {
                job_steps::check_records(number, job)?;
            }
            job.has_ended = true;
            if self.is_tight && is.is_ok() {
                self.untaken.push_back(self.answers.hold(Share::Untaken, TIGHT_BYTES / 10));
            }
        }
        Ok(())
    }

    /// All that is left to do is done: every job ends.
    fn finish(&mut self) -> Checked {
        self.size = 2;
        self.other_pool.clear();
        for worker in 0..4 {
            if self.workers[worker].is_killed {
                self.die(worker, 0);
            }
        }
        while !self.cancels.is_empty() {
            self.finish_cancel();
        }
        self.end_streams();
        self.settle()?;
        for _ in 0..5_000 {
            if self.jobs.values().all(|job| !job.is_live()) {
                return Ok(());
            }
            for worker in 0..4 {
                if self.workers[worker].is_killed {
                    self.die(worker, 0);
                } else if !self.workers[worker].flight.is_empty() {
                    self.answer(worker, 0);
                }
            }
            // A client takes its value.
            self.untaken.pop_front();
            let is_idle = self.workers.iter().all(|worker| worker.flight.is_empty());
            if let Some(at) = self.scheduler.next_wake(self.now).filter(|_| is_idle) {
                self.now = self.now.max(at);
            }
            self.settle()?;
        }
        check(false, Rule::EndsOnce, || format!("these never end: {:?}", self.jobs))
    }
}

/// The items of a task, as indexes of its job's.
fn indexes(task: &Task) -> Range<usize> {
    count(task.first_item)..count(task.first_item + task.items)
}

/// Items are few here.
fn count(items: u64) -> usize {
    usize::try_from(items).expect("few items")
}

fn failure(code: FailureCode) -> Failure {
    Failure::new(code, "simulated")
}
