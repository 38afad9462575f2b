//! On which terms a job is run: what a client asks for besides a function and its arguments.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::FailureCode;

/// The longest pause before another attempt.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(60);

/// The endings after which a task is run again, unless its job says otherwise.
const RETRIED: [FailureCode; 3] =
    [FailureCode::WorkerDied, FailureCode::Interrupted, FailureCode::FunctionRaised];

/// What becomes of a running job whose client has left, if it is nobody's but that client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnDisconnect {
    /// What runs goes on, and its value is discarded.
    #[default]
    Keep,
    /// As a cancel: what runs is killed.
    Cancel,
}

/// The terms of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// How long a task may run.
    pub run_timeout: Option<Duration>,
    /// How long the job may wait for its first task to start.
    pub queue_timeout: Option<Duration>,
    /// Larger first.
    pub priority: i8,
    /// Within one priority, jobs of different keys take turns.
    pub key: Option<Arc<str>>,
    /// How often a task that ended without a value is run again.
    pub retries: u32,
    /// After which endings.
    pub retry_on: Cow<'static, [FailureCode]>,
    /// The pause before the first retry; doubled each time.
    pub retry_delay: Duration,
    /// How long the value is kept, if not as long as the server keeps values.
    pub result_ttl: Option<Duration>,
    /// The client's own labels.
    pub tags: Vec<String>,
    /// What becomes of it when its client leaves.
    pub on_disconnect: OnDisconnect,
    /// Whether what JSON has no form for is made of arguments, where the function's annotations say it.
    pub convert: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            run_timeout: None,
            queue_timeout: None,
            priority: 0,
            key: None,
            retries: 0,
            retry_on: Cow::Borrowed(&RETRIED),
            retry_delay: Duration::ZERO,
            result_ttl: None,
            tags: Vec::new(),
            on_disconnect: OnDisconnect::Keep,
            convert: true,
        }
    }
}

impl Terms {
    /// Bytes that they hold besides themselves, about.
    pub fn held_bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|tag| size_of::<String>() + tag.len()).sum();
        let codes = match &self.retry_on {
            Cow::Borrowed(_) => 0,
            Cow::Owned(codes) => size_of_val(codes.as_slice()),
        };
        tags + codes + self.key.as_ref().map_or(0, |key| key.len())
    }

    /// The pause before a task is run again after its `attempt`th run ended so (from 1); `None` if it isn't.
    pub fn retry_after(&self, code: FailureCode, attempt: u32) -> Option<Duration> {
        let again = attempt <= self.retries && self.retry_on.contains(&code);
        let factor = 2u32.saturating_pow(attempt.saturating_sub(1));
        again.then(|| self.retry_delay.saturating_mul(factor).min(RETRY_DELAY_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_counted_chosen_and_slower_each_time() {
        let terms = Terms { retries: 3, retry_delay: Duration::from_secs(20), ..Terms::default() };
        let pauses: Vec<_> =
            (1..=4).map(|attempt| terms.retry_after(FailureCode::WorkerDied, attempt)).collect();
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(pauses, [seconds(20), seconds(40), seconds(60), None]);
        assert_eq!(terms.retry_after(FailureCode::Cancelled, 1), None);
        assert_eq!(Terms::default().retry_after(FailureCode::WorkerDied, 1), None);
    }
}
