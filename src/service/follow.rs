//! Whoever follows a job is told its life as it happens, from where it was told before.
//!
//! Nothing is queued for a follower. Each time that it asks, what is new is read from the job's handle: a slow one
//! loses steps of progress in between, and neither output nor states.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Service;
use super::answer::Answer;
use super::cursor::{Cursor, LOG_EVENT_BYTES};
use super::refusal::Refusal;
use crate::jobs::{FailureCode, Following, JobHandle, JobKind, Moment, Outcome, State};

/// From one step of progress to the next.
const PROGRESS_PERIOD: Duration = Duration::from_millis(50);
/// From one look at a call that has not said how far it is to the next, at most: most never do.
const QUIET_PERIOD_MAX: Duration = Duration::from_secs(1);
/// The workers' pages are looked at no more often, however many ask for one job.
pub(super) const LOOK_PERIOD: Duration = Duration::from_millis(25);

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobUpdate {
    /// It came into this state.
    State {
        /// Which.
        state: State,
        /// When.
        at: SystemTime,
        /// How often it was started.
        attempts: u32,
    },
    /// Its tasks printed something.
    Log {
        /// The next characters.
        text: String,
        /// Whether more was printed than is kept; the last of its kind says so.
        cut: bool,
    },
    /// Items were done, or the function said how far it is.
    Progress {
        /// How many.
        done: f64,
        /// Of how many; of a stream, so far.
        total: f64,
        /// What it is at.
        message: Option<String>,
    },
    /// The server goes down and will not start it; the last event.
    Draining,
    /// It has ended; the last event.
    End,
}

/// One caller that follows one job.
#[derive(Debug)]
pub struct Follower {
    service: Arc<Service>,
    handle: Following,
    cursor: Cursor,
    /// The next step of progress is told no earlier.
    progress_due: Instant,
    /// From one look at how far it is to the next.
    look_period: Duration,
    ended: bool,
}

impl Service {
    pub(super) async fn follow_job(self: &Arc<Self>, id: &str, mut from: Cursor) -> Result<Answer, Refusal> {
        let handle = self.find_job(id).await?;
        from.limit_log(&handle.moment(0, 0));
        Ok(Answer::Following(Box::new(Follower {
            service: Arc::clone(self),
            handle: Following::new(handle),
            cursor: from,
            progress_due: Instant::now(),
            look_period: PROGRESS_PERIOD,
            ended: false,
        })))
    }
}

impl Follower {
    /// Its job.
    pub fn handle(&self) -> &Arc<JobHandle> {
        &self.handle
    }

    /// Whether it was told the last event.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// All that it was told, so that another one can go on from here.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Waits for the next event; `None` if there is none until then, or there will be none any more.
    pub async fn next(&mut self, until: Instant) -> Option<JobUpdate> {
        while !self.ended {
            let steps = self.has_steps();
            if steps && self.handle.claim_look(LOOK_PERIOD) {
                self.service.look_into(&self.handle).await;
            }
            let handle = Arc::clone(&self.handle);
            let changed = handle.changed();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            let now = Instant::now();
            if now >= until {
                return None;
            }
            let wake = if steps { until.min(now + self.next_look()) } else { until };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
        None
    }

    /// The next event, if there is one.
    pub fn try_next(&mut self) -> Option<JobUpdate> {
        if self.ended {
            return None;
        }
        let now = self.handle.moment(self.cursor.log_bytes(), LOG_EVENT_BYTES);
        if will_not_start(&now) {
            self.ended = true;
            return Some(JobUpdate::Draining);
        }
        let may_step = Instant::now() >= self.progress_due;
        let event = self.cursor.next(self.handle.created_at, &now, may_step)?;
        match &event {
            JobUpdate::Progress { .. } => self.progress_due = Instant::now() + PROGRESS_PERIOD,
            JobUpdate::End => self.ended = true,
            JobUpdate::State { .. } | JobUpdate::Log { .. } | JobUpdate::Draining => {}
        }
        Some(event)
    }

    /// Whether its progress has steps that nobody is woken for.
    fn has_steps(&self) -> bool {
        self.handle.state() == State::Running
    }

    /// How long from now to the next look: ever longer while a call says nothing.
    fn next_look(&mut self) -> Duration {
        let is_quiet = self.handle.kind == JobKind::Apply && !self.handle.has_said();
        let period = if is_quiet { self.look_period } else { PROGRESS_PERIOD };
        self.look_period = (2 * period).min(QUIET_PERIOD_MAX);
        period
    }
}

/// Whether the server went down before it had started this job.
fn will_not_start(now: &Moment) -> bool {
    match &now.state.outcome {
        Some(Outcome::Failure(failure)) => failure.code == FailureCode::NotStarted,
        Some(Outcome::Value(_)) | None => false,
    }
}
