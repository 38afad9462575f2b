//! When a worker is replaced: at once, unless workers fail to boot again and again or the pool's workers die in a
//! row.
//!
//! Kills by the server never count, nor do deaths for which a function is quarantined already. There is no delay
//! before [`DEATHS_FREE`] deaths within [`DEATHS_WINDOW`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scheduler::Callable;

const DEATHS_FREE: usize = 10;
const DEATHS_WINDOW: Duration = Duration::from_secs(10);
const DEATH_PAUSE: Duration = Duration::from_millis(200);
const BOOT_PAUSE_STEP: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The failures of late, and the delay that follows from them.
#[derive(Debug, Default)]
pub(super) struct RespawnBackoff {
    /// When, and under which function.
    deaths: VecDeque<(Instant, Option<Arc<Callable>>)>,
    boot_failures: u32,
    /// When a zygote was last found lost.
    lost: Option<Instant>,
    not_before: Option<Instant>,
}

impl RespawnBackoff {
    /// A worker died, under a task or idle, and was not killed by the server.
    pub fn died(&mut self, now: Instant, function: Option<Arc<Callable>>) {
        self.deaths.push_back((now, function));
        self.deaths.retain(|(at, function)| {
            let is_quarantined =
                function.as_ref().is_some_and(|function| function.state.quarantined_until(now).is_some());
            now.duration_since(*at) <= DEATHS_WINDOW && !is_quarantined
        });
        if self.deaths.len() > DEATHS_FREE {
            let over = u32::try_from(self.deaths.len() - DEATHS_FREE).unwrap_or(u32::MAX);
            self.pause(now, DEATH_PAUSE.saturating_mul(over));
        }
    }

    /// A worker never became ready.
    pub fn boot_failed(&mut self, now: Instant) {
        self.pause(now, BOOT_PAUSE_STEP.saturating_mul(self.boot_failures));
        self.boot_failures = self.boot_failures.saturating_add(1).min(64);
    }

    /// A worker that was asked for then will not come: its zygote is lost. All that were asked for before a loss is
    /// known count as one failure.
    pub fn zygote_lost(&mut self, now: Instant, asked: Instant) {
        if self.lost.is_none_or(|lost| asked > lost) {
            self.lost = Some(now);
            self.boot_failed(now);
        }
    }

    /// A worker became ready.
    pub fn booted(&mut self) {
        self.boot_failures = 0;
    }

    fn pause(&mut self, now: Instant, pause: Duration) {
        self.not_before = self.not_before.max(Some(now + pause.min(PAUSE_MAX)));
    }

    /// When the next worker may be started, if not at once.
    pub fn wait_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Function;
    use crate::runtime::Runtime;

    #[test]
    fn ten_deaths_are_free_and_the_eleventh_is_delayed() {
        let mut backoff = RespawnBackoff::default();
        let start = Instant::now();
        for death in 0..10 {
            let now = start + Duration::from_millis(death);
            backoff.died(now, None);
            assert_eq!(backoff.wait_until(now), None, "death {death}");
        }
        let now = start + Duration::from_millis(10);
        backoff.died(now, None);
        assert_eq!(backoff.wait_until(now), Some(now + DEATH_PAUSE));
    }

    #[test]
    fn deaths_far_apart_are_never_delayed() {
        let mut backoff = RespawnBackoff::default();
        let start = Instant::now();
        for death in 0..100 {
            let now = start + Duration::from_secs(2 * death);
            backoff.died(now, None);
            assert_eq!(backoff.wait_until(now), None);
        }
    }

    #[test]
    fn deaths_that_a_function_is_quarantined_for_do_not_count() {
        let mut backoff = RespawnBackoff::default();
        let now = Instant::now();
        let function = Callable::new(Function::new("f", Runtime::Python));
        for _ in 0..40 {
            function.state.killed_its_worker(now);
            backoff.died(now, Some(Arc::clone(&function)));
            assert_eq!(backoff.wait_until(now), None);
        }
        (0..10).for_each(|_| backoff.died(now, None));
        assert_eq!(backoff.wait_until(now), None, "ten of others are free as ever");
        backoff.died(now, None);
        assert_eq!(backoff.wait_until(now), Some(now + DEATH_PAUSE));
    }

    #[test]
    fn forks_that_are_lost_together_are_one_failure() {
        let mut backoff = RespawnBackoff::default();
        let asked = Instant::now();
        let lost = asked + Duration::from_millis(5);
        for later in 0..40 {
            backoff.zygote_lost(lost + Duration::from_micros(later), asked);
        }
        assert_eq!(backoff.wait_until(lost), None);
        // Those asked for since then are another's: the second loss in a row.
        let (asked, lost) = (lost + Duration::from_millis(1), lost + Duration::from_millis(9));
        for _ in 0..40 {
            backoff.zygote_lost(lost, asked);
        }
        assert_eq!(backoff.wait_until(lost), Some(lost + BOOT_PAUSE_STEP));
    }

    #[test]
    fn boots_are_retried_at_once_then_slower() {
        let mut backoff = RespawnBackoff::default();
        let now = Instant::now();
        backoff.boot_failed(now);
        assert_eq!(backoff.wait_until(now), None);
        backoff.boot_failed(now);
        assert_eq!(backoff.wait_until(now), Some(now + BOOT_PAUSE_STEP));
        for _ in 0..100 {
            backoff.boot_failed(now);
        }
        assert_eq!(backoff.wait_until(now), Some(now + PAUSE_MAX));
        backoff.booted();
        backoff.boot_failed(now + PAUSE_MAX);
        assert_eq!(backoff.wait_until(now + PAUSE_MAX), None);
    }
}
