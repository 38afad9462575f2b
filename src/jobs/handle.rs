//! One job in this process: how far it is, what it printed, and who waits for it.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::held_bytes::{AnswerBytes, HeldBytes, Share};
use super::log;
use super::outcome::Outcome;
use super::output::KeptOutput;
use super::request_id::RequestId;
use super::spec::JobInfo;
use super::state::{Change, JobEvent, JobState, State};

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// One job. Shared by the store, the pool and whoever waits; it derefs to what was asked for.
#[derive(Debug)]
pub struct JobHandle {
    /// A number of this process, for the pool's tables.
    pub number: u64,
    info: JobInfo,
    pub(super) live: Mutex<Live>,
    /// Its end; while somebody follows it, its start and its output too.
    pub(super) changed: Notify,
    pub(super) followers: AtomicUsize,
}

#[derive(Debug)]
pub(super) struct Live {
    pub state: JobState,
    expires_at: Option<SystemTime>,
    /// Items done at the last look, those of running chunks included.
    pub seen_done: u64,
    pub looked_at: Option<Instant>,
    pub output: KeptOutput,
    /// What the output and the errors of attempts cost while the job runs.
    held: Option<HeldBytes>,
    /// Whoever alone wanted it has left.
    is_left: bool,
}

/// A job at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// How far it is; of what is done, those of running chunks that were last looked at included.
    pub state: JobState,
    /// When its outcome will be forgotten.
    pub expires_at: Option<SystemTime>,
    /// Whoever alone wanted it has left.
    pub is_left: bool,
}

impl Deref for JobHandle {
    type Target = JobInfo;

    fn deref(&self) -> &JobInfo {
        &self.info
    }
}

impl JobHandle {
    /// A job just accepted.
    pub fn new(info: JobInfo) -> Arc<Self> {
        let state = JobState::accepted(info.total);
        Self::restored(info, state, None)
    }

    /// A job that is as far as this, read from where it was written down.
    pub fn restored(info: JobInfo, state: JobState, expires_at: Option<SystemTime>) -> Arc<Self> {
        let output = KeptOutput::default();
        Arc::new(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            info,
            live: Mutex::new(Live {
                state,
                expires_at,
                seen_done: 0,
                looked_at: None,
                output,
                held: None,
                is_left: false,
            }),
            changed: Notify::new(),
            followers: AtomicUsize::new(0),
        })
    }

    #[cfg(test)]
    pub(crate) fn info_mut(&mut self) -> &mut JobInfo {
        &mut self.info
    }

    /// Something happened to it, and is told to those who follow it. Its end is [`JobHandle::end`]'s.
    pub fn apply(&self, event: JobEvent, at: SystemTime) {
        let change = self.live.lock().state.apply(event, at);
        self.tell(change);
    }

    /// Whoever alone wanted it has left before its end: it is forgotten with that. `false`: it has ended.
    pub fn leave(&self) -> bool {
        let mut live = self.live.lock();
        live.is_left = live.state.outcome.is_none();
        live.is_left
    }

    /// It ended, and that is written down where it has to be: whoever waits is told. A job ends once. `true`: nobody is
    /// left who wants it, and it is to be forgotten.
    pub fn end(&self, outcome: Outcome, ending: &Ending) -> bool {
        let (change, is_left) = {
            let mut live = self.live.lock();
            let change = live.state.apply(JobEvent::Ended(outcome), ending.at);
            if change == Change::End {
                live.expires_at = ending.expires_at;
                live.held = None;
                log::ended(&self.info, &live.state);
            }
            (change, live.is_left)
        };
        self.tell(change);
        is_left
    }

    /// A run of a task of it failed, and the task is run again.
    pub fn attempt_failed(&self, event: JobEvent, at: SystemTime, answers: &AnswerBytes) {
        if let JobEvent::AttemptFailed(attempt, failure) = &event {
            log::retried(&self.info, *attempt, failure);
        }
        let mut live = self.live.lock();
        live.state.apply(event, at);
        live.hold(answers);
    }

    fn tell(&self, change: Change) {
        let is_told = match change {
            Change::None | Change::Counts => false,
            Change::Step => self.followers.load(Ordering::Relaxed) > 0,
            Change::End => true,
        };
        if is_told {
            self.changed.notify_waiters();
        }
    }

    /// Items done, as far as their answers were read.
    pub fn done(&self) -> u64 {
        self.live.lock().state.done
    }

    /// Waits for its end.
    pub async fn ended(&self) -> Outcome {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            changed.await;
        }
    }

    /// Its tasks printed something; so many bytes are kept in all. How many more are kept of a job that has ended.
    pub fn append_log(&self, output: &[u8], bytes_max: usize, answers: &AnswerBytes) -> usize {
        let mut live = self.live.lock();
        let before = live.output.bytes().len();
        live.output.append(output, bytes_max);
        let kept = live.output.bytes().len();
        let more = kept.saturating_sub(before);
        let has_ended = live.state.outcome.is_some();
        live.hold(answers);
        drop(live);
        self.tell(Change::Step);
        if has_ended { more } else { 0 }
    }

    /// What its tasks printed, and whether more was dropped.
    pub fn log(&self) -> (Vec<u8>, bool) {
        let live = self.live.lock();
        (live.output.bytes().to_vec(), live.output.is_cut())
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.live.lock().state.outcome.clone()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.live.lock().state.outcome.is_some()
    }

    /// Whether anything of it has started.
    pub fn has_started(&self) -> bool {
        self.live.lock().state.started_at.is_some()
    }

    /// How far it is, in a word.
    pub fn state(&self) -> State {
        self.live.lock().state.state()
    }

    /// Whether its function has said how far it is.
    pub fn has_said(&self) -> bool {
        self.live.lock().state.said.is_some()
    }

    /// How often it was started.
    pub fn attempts(&self) -> u32 {
        self.live.lock().state.attempts
    }

    /// All of it at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.live.lock();
        Snapshot { state: live.shown(), expires_at: live.expires_at, is_left: live.is_left }
    }

    /// Bytes that keeping it with this outcome costs, about: itself, its terms, the outcome, its log.
    pub fn kept_bytes(&self, outcome: &Outcome) -> usize {
        let live = self.live.lock().kept_bytes();
        let request_id = self.info.request_id.as_ref().map_or(0, RequestId::held_bytes);
        size_of::<Self>() + self.info.terms.held_bytes() + request_id + outcome.kept_bytes() + live
    }
}

impl Live {
    /// Bytes of what came while it ran.
    fn kept_bytes(&self) -> usize {
        let errors = self.state.attempt_errors.iter().map(|error| error.failure.kept_bytes());
        let said = self.state.said.as_ref();
        let said =
            said.map_or(0, |said| size_of_val(&**said) + said.message.as_ref().map_or(0, |text| text.len()));
        self.output.bytes().len() + errors.sum::<usize>() + said
    }

    /// Counts them while it runs; afterwards its store does.
    fn hold(&mut self, answers: &AnswerBytes) {
        if self.state.outcome.is_none() {
            let bytes = self.kept_bytes();
            self.held.get_or_insert_with(|| answers.hold(Share::Gathered, 0)).set(bytes);
        }
    }

    /// How far it is; while it runs, with what was seen done.
    pub fn shown(&self) -> JobState {
        let mut state = self.state.clone();
        if state.outcome.is_none() {
            state.done = state.done.max(self.seen_done);
        }
        state
    }
}

/// How long what a job ended with is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// When it ended.
    pub at: SystemTime,
    /// When its outcome will be forgotten, if it is kept at all.
    pub expires_at: Option<SystemTime>,
}
