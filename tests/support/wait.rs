//! Bounded waits. No test sleeps and hopes: it names what it waits for and for how long at most.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, panic_any, resume_unwind};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Answer;

const STEP: Duration = Duration::from_millis(1);
/// A wait is looked at more seldom the longer it lasts: many waits would keep the machine busy with looks. What is told
/// of its time is late by this part at most.
const LATE_BY: u32 = 30;
/// How often a test of promised times is run before it fails.
const ROUNDS: usize = 3;

/// What a test fails with when something came too late, and nothing else was wrong.
struct Late;

/// Fails the test for being late.
#[track_caller]
pub fn late(message: &str) -> ! {
    eprintln!("{}: late: {message}", Location::caller());
    panic_any(Late)
}

/// What took so long is promised in `bound`.
#[track_caller]
pub fn promised(took: Duration, bound: Duration, what: &str) {
    if took >= bound {
        late(&format!("{what}: took {took:?}, promised in {bound:?}"));
    }
}

/// The value of a job that a clock of its own may have ended first, with this code.
#[track_caller]
pub fn value_in_time(answer: &Answer, code: &str) -> Value {
    if answer.status == 422 && answer.json()["code"] == code {
        late(&format!("{code} instead of a value: {}", answer.text()));
    }
    answer.value()
}

/// Runs a test of promised times. A machine with other work is late now and then, a broken promise always: one that
/// was late is run again, from its beginning. Whatever else is wrong fails at once.
pub fn on_time(test: impl Fn()) {
    for _ in 1..ROUNDS {
        match catch_unwind(AssertUnwindSafe(&test)) {
            Ok(()) => return,
            Err(cause) if cause.is::<Late>() => eprintln!("once more"),
            Err(cause) => resume_unwind(cause),
        }
    }
    test();
}

/// Waits until `done`, at most `bound` from now; panics with `what` when time is up.
#[track_caller]
pub fn wait_until(bound: Duration, what: &str, done: impl FnMut() -> bool) -> Duration {
    wait_from(Instant::now(), bound, what, done)
}

/// The same with the clock started earlier. Answers how long it took since `start`.
#[track_caller]
pub fn wait_from(start: Instant, bound: Duration, what: &str, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    loop {
        // The clock is read before the look: a look that is slow does not lengthen the promise.
        let elapsed = start.elapsed();
        if done() {
            promised(elapsed, bound, what);
            return elapsed;
        }
        if elapsed > bound {
            late(&format!("{what}: not within {bound:?}"));
        }
        sleep(STEP.max(began.elapsed() / LATE_BY));
    }
}

/// Watches for `span` that something does not happen.
#[track_caller]
pub fn never_within(span: Duration, what: &str, mut happens: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < span {
        assert!(!happens(), "{what}: happened after {:?}", start.elapsed());
        sleep(STEP);
    }
}
