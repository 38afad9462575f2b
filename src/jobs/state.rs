//! How far a job is: a value that events change. All that happens to a job happens by [`JobState::apply`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::outcome::{Failure, FailureCode, Outcome};

/// Errors of earlier attempts that a job keeps: the latest.
pub const ATTEMPT_ERRORS_MAX: usize = 10;
/// Bytes of each of their texts that are kept, at most; of a traceback the end.
const ATTEMPT_TEXT_MAX: usize = 8 << 10;

/// How far a job is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing of it has started.
    Queued,
    /// Something has.
    Running,
    /// It ended with a value.
    Succeeded,
    /// It ended without one.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl State {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads what [`State::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }

    /// Whether it has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One thing that happened to a job.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum JobEvent {
    /// Its first task is at the head of a worker's flight.
    Started,
    /// Nothing of it has been run after all: its only task came back unread.
    Unstarted,
    /// A task of it is run for so many times by now.
    Attempted(u32),
    /// The run of a task with this number failed, and it is run again.
    AttemptFailed(u32, Box<Failure>),
    /// So many items more belong to it (a stream).
    Extended(u64),
    /// So many items are done.
    Advanced(u64),
    /// A function of it said how far it is.
    Said(Said),
    /// It ended.
    Ended(Outcome),
}

/// What an attempt failed with that another one followed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttemptError {
    /// Which attempt of its task, from 1.
    pub attempt: u32,
    /// When it was known.
    pub at: SystemTime,
    /// Why.
    pub failure: Arc<Failure>,
}

/// What a function says of how far it is: `forkpool.progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// When, in nanoseconds of some clock of all workers: what is newer stands.
    pub at: u64,
    /// How much is done, of how much. None in a map, whose items are counted.
    pub amounts: Option<(f64, f64)>,
    /// What it is at.
    pub message: Option<Box<str>>,
}

/// How far a job is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct JobState {
    /// When its first task started.
    pub started_at: Option<SystemTime>,
    /// When it ended.
    pub finished_at: Option<SystemTime>,
    /// How often it was started.
    pub attempts: u32,
    /// What earlier attempts failed with, the latest last.
    pub attempt_errors: VecDeque<AttemptError>,
    /// Items done.
    pub done: u64,
    /// Items in all; of a stream, so far.
    pub total: u64,
    /// What its function said of this last.
    pub said: Option<Box<Said>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it came after the end, or said what was so.
    None,
    /// What nobody is told of by itself: how many items there are and are done.
    Counts,
    /// What those who follow it are told.
    Step,
    /// It has ended; those who wait for it are told.
    End,
}

impl JobState {
    /// A job of so many items, just accepted.
    pub fn accepted(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// The state after an event at this time. Total: after its end nothing changes a job any more, so that one that
    /// is told its end twice ends once, as it ended first.
    pub fn apply(&mut self, event: JobEvent, at: SystemTime) -> Change {
        if self.outcome.is_some() {
            return Change::None;
        }
        match event {
            // A task that came back unread makes it no less started for those who saw it start.
            JobEvent::Started if self.started_at.is_some() => Change::None,
            JobEvent::Started => {
                (self.started_at, self.attempts) = (Some(at), 1);
                Change::Step
            }
            JobEvent::Unstarted if self.started_at.is_none() => Change::None,
            JobEvent::Unstarted => {
                (self.started_at, self.attempts) = (None, 0);
                Change::Step
            }
            JobEvent::Attempted(attempt) if attempt <= self.attempts => Change::None,
            JobEvent::Attempted(attempt) => {
                self.attempts = attempt;
                // The attempt before said it.
                self.said = None;
                Change::Step
            }
            JobEvent::AttemptFailed(attempt, failure) => {
                if self.attempt_errors.len() == ATTEMPT_ERRORS_MAX {
                    self.attempt_errors.pop_front();
                }
                let failure = Arc::new(failure.shortened(ATTEMPT_TEXT_MAX));
                self.attempt_errors.push_back(AttemptError { attempt, at, failure });
                Change::Counts
            }
            JobEvent::Said(said) if self.said.as_ref().is_some_and(|known| known.at >= said.at) => {
                Change::None
            }
            JobEvent::Said(said) => {
                self.said = Some(Box::new(said));
                Change::Counts
            }
            JobEvent::Extended(items) => {
                self.total = self.total.saturating_add(items);
                Change::Counts
            }
            JobEvent::Advanced(items) => {
                self.done = self.done.saturating_add(items);
                Change::Counts
            }
            JobEvent::Ended(outcome) => {
                if matches!(outcome, Outcome::Value(_)) {
                    self.done = self.total;
                }
                (self.finished_at, self.outcome) = (Some(at), Some(outcome));
                Change::End
            }
        }
    }

    /// How much is done, of how much: as its function says, else its items.
    pub fn amounts(&self) -> (f64, f64) {
        let said = self.said.as_ref().and_then(|said| said.amounts);
        said.unwrap_or((self.done as f64, self.total as f64))
    }

    /// What its function says that it is at.
    pub fn message(&self) -> Option<&str> {
        self.said.as_ref()?.message.as_deref()
    }

    /// In a word.
    pub fn state(&self) -> State {
        match &self.outcome {
            Some(Outcome::Value(_)) => State::Succeeded,
            Some(Outcome::Failure(failure)) if failure.code == FailureCode::Cancelled => State::Cancelled,
            Some(Outcome::Failure(_)) => State::Failed,
            None if self.started_at.is_some() => State::Running,
            None => State::Queued,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::jobs::{Exception, Value};

    fn event() -> impl Strategy<Value = JobEvent> {
        let value = || Outcome::Value(Value::from(vec![Bytes::from_static(b"[1]")]));
        let failed = |code| Outcome::Failure(Arc::new(Failure::new(code, "why")));
        prop_oneof![
            3 => Just(JobEvent::Started),
            1 => Just(JobEvent::Unstarted),
            1 => (0..5u32).prop_map(JobEvent::Attempted),
            1 => (0..5u32).prop_map(|attempt| {
                JobEvent::AttemptFailed(attempt, Box::new(Failure::new(FailureCode::WorkerDied, "why")))
            }),
            1 => prop_oneof![0..5u64, Just(u64::MAX)].prop_map(JobEvent::Extended),
            3 => prop_oneof![0..5u64, Just(u64::MAX)].prop_map(JobEvent::Advanced),
            1 => (0..5u64).prop_map(|at| JobEvent::Said(Said { at, amounts: Some((1.5, 2.0)), message: None })),
            1 => Just(value()).prop_map(JobEvent::Ended),
            1 => prop_oneof![Just(FailureCode::Cancelled), Just(FailureCode::WorkerDied)]
                .prop_map(move |code| JobEvent::Ended(failed(code))),
        ]
    }

    /// All that a state says, as text.
    fn said(state: &JobState) -> String {
        serde_json::to_string(state).unwrap()
    }

    proptest! {
        /// Whatever happens in whatever order: it ends once, as it was first told; each change is told and no other;
        /// and whoever reads the state or the events that were written down goes on from the same.
        #[test]
        fn it_is_total_and_replays(events in prop::collection::vec(event(), 0..30)) {
            let (mut state, mut replayed) = (JobState::accepted(3), JobState::accepted(3));
            let mut ended = None;
            for (second, event) in (0..).zip(events) {
                let at = UNIX_EPOCH + Duration::from_secs(second);
                let before = said(&state);
                let written = serde_json::to_vec(&event).unwrap();
                let change = state.apply(event, at);
                match change {
                    Change::None => prop_assert_eq!(&before, &said(&state)),
                    Change::Counts => prop_assert!(!state.state().is_final()),
                    Change::Step => prop_assert_ne!(&before, &said(&state)),
                    Change::End => prop_assert!(ended.replace(said(&state)).is_none(), "it ends once"),
                }
                prop_assert_eq!(state.state().is_final(), ended.is_some());
                prop_assert_eq!(state.finished_at.is_some(), state.state().is_final());
                replayed.apply(serde_json::from_slice(&written).unwrap(), at);
                prop_assert_eq!(said(&state), said(&replayed));
                replayed = serde_json::from_str(&said(&replayed)).unwrap();
            }
            prop_assert!(ended.is_none_or(|ended| ended == said(&state)));
        }
    }

    #[test]
    fn the_last_errors_are_kept_and_shortened() {
        let mut state = JobState::accepted(1);
        for attempt in 1..=12 {
            let mut failure = Failure::new(FailureCode::FunctionRaised, "é".repeat(100_000));
            failure.exception = Some(Exception {
                kind: "ValueError".into(),
                message: "m".repeat(100_000),
                args: serde_json::value::to_raw_value(&"a".repeat(100_000)).ok(),
                traceback: Some(format!("{}\nthe last line", "é".repeat(100_000))),
            });
            state.apply(JobEvent::AttemptFailed(attempt, Box::new(failure)), UNIX_EPOCH);
        }
        let attempts: Vec<u32> = state.attempt_errors.iter().map(|error| error.attempt).collect();
        assert_eq!(attempts, (3..=12).collect::<Vec<_>>());
        let failure = &state.attempt_errors[0].failure;
        assert!(failure.kept_bytes() < 4 * ATTEMPT_TEXT_MAX, "{} bytes", failure.kept_bytes());
        let exception = failure.exception.as_ref().unwrap();
        assert!(
            exception.traceback.as_ref().unwrap().ends_with("\nthe last line") && exception.args.is_none()
        );
    }

    #[test]
    fn a_value_means_that_all_is_done() {
        let mut state = JobState::accepted(3);
        state.apply(JobEvent::Extended(2), UNIX_EPOCH);
        state.apply(JobEvent::Ended(Outcome::Value(Value::default())), UNIX_EPOCH);
        assert_eq!((state.done, state.total, state.state()), (5, 5, State::Succeeded));
    }
}
