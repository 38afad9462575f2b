//! A function that kills its workers again and again is quarantined for a while, so that the others keep theirs.
//!
//! Its jobs that were accepted before are parked until the quarantine ends.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many deaths within the window begin a quarantine; fewer never do.
const DEATHS: usize = 10;
const WINDOW: Duration = Duration::from_secs(10);
const QUARANTINE_FIRST: Duration = Duration::from_secs(10);
const QUARANTINE_MAX: Duration = Duration::from_secs(60);
/// After so long without a quarantine the next one is as short as the first.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);

/// The deaths of one function, and the quarantine that followed.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    deaths: VecDeque<Instant>,
    until: Option<Instant>,
    /// How long the last one was.
    duration: Duration,
}

impl Quarantine {
    /// A worker died under the function. `true`: a quarantine begins.
    pub fn died(&mut self, now: Instant) -> bool {
        if self.until(now).is_some() {
            // It was running when the quarantine began.
            return false;
        }
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|at| now.duration_since(*at) > WINDOW) {
            self.deaths.pop_front();
        }
        if self.deaths.len() < DEATHS {
            return false;
        }
        self.deaths.clear();
        let again = self.until.is_some_and(|until| now.duration_since(until) < FORGIVEN_AFTER);
        self.duration = if again { (self.duration * 2).min(QUARANTINE_MAX) } else { QUARANTINE_FIRST };
        self.until = Some(now + self.duration);
        true
    }

    /// The end of the quarantine, if there is one now.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn the_tenth_death_begins_a_quarantine_and_none_before() {
        let (mut quarantine, now) = (Quarantine::default(), Instant::now());
        for _ in 0..9 {
            assert!(!quarantine.died(now));
            assert_eq!(quarantine.until(now), None);
        }
        assert!(quarantine.died(now));
        assert_eq!(quarantine.until(now), Some(now + QUARANTINE_FIRST));
        assert!(!quarantine.died(now), "deaths of tasks that still ran begin no second one");
        assert_eq!(quarantine.until(now + QUARANTINE_FIRST), None);
    }

    #[test]
    fn deaths_far_apart_never_do() {
        let (mut quarantine, start) = (Quarantine::default(), Instant::now());
        for death in 0..100 {
            assert!(!quarantine.died(start + death * (WINDOW / 9 + MOMENT)));
        }
    }

    #[test]
    fn quarantines_double_until_one_is_forgiven() {
        let (mut quarantine, mut now) = (Quarantine::default(), Instant::now());
        for seconds in [10, 20, 40, 60, 60] {
            assert_eq!((0..10).filter(|_| quarantine.died(now)).count(), 1);
            let duration = Duration::from_secs(seconds);
            assert_eq!(quarantine.until(now), Some(now + duration));
            now += duration + MOMENT;
        }
        now += FORGIVEN_AFTER;
        assert_eq!((0..10).filter(|_| quarantine.died(now)).count(), 1);
        assert_eq!(quarantine.until(now), Some(now + QUARANTINE_FIRST));
    }
}
