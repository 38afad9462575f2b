//! Bounded waits. No test sleeps and hopes: it names what it waits for and for how long at most.

use std::thread::sleep;
use std::time::{Duration, Instant};

const STEP: Duration = Duration::from_millis(1);

/// Waits until `done`, at most `bound` from now; panics with `what` when time is up.
#[track_caller]
pub fn wait_until(bound: Duration, what: &str, done: impl FnMut() -> bool) -> Duration {
    wait_from(Instant::now(), bound, what, done)
}

/// The same with the clock started earlier. Answers how long it took since `start`.
#[track_caller]
pub fn wait_from(start: Instant, bound: Duration, what: &str, mut done: impl FnMut() -> bool) -> Duration {
    loop {
        // The clock is read before the look: a look that is slow does not lengthen the promise.
        let elapsed = start.elapsed();
        if done() {
            assert!(elapsed <= bound, "{what}: took {elapsed:?}, promised in {bound:?}");
            return elapsed;
        }
        assert!(elapsed <= bound, "{what}: not within {bound:?}");
        sleep(STEP);
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
