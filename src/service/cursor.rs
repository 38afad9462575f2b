//! What a follower of a job was told, and what it is to be told next. Pure.
//!
//! The id of an event is all that was told up to it, so that a follower who comes back is told the rest and
//! nothing twice, and the server keeps nothing for it.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::follow::JobUpdate;
use crate::jobs::{JobState, Moment, State};

/// Bytes of output in one event.
pub const LOG_EVENT_BYTES: usize = 8 << 10;

/// The last state that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reported {
    Nothing = 0,
    Queued = 1,
    Running = 2,
    Ended = 3,
    Over = 4,
}

/// What was told so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    reported: Reported,
    attempts: u32,
    done: Option<u64>,
    total: u64,
    /// When the function said what was told of how far it is; 0: nothing was.
    said: u64,
    /// Bytes of output; one more once it was told that the rest was cut.
    log: usize,
}

impl Cursor {
    /// Nothing was told.
    pub fn start() -> Self {
        Self { reported: Reported::Nothing, attempts: 0, done: None, total: 0, said: 0, log: 0 }
    }

    /// Bytes of output that were told.
    pub fn log_bytes(&self) -> usize {
        self.log
    }

    /// A client can't have been told more output than there is.
    pub fn limit_log(&mut self, now: &Moment) {
        self.log = self.log.min(now.log_bytes + usize::from(now.log_cut));
    }

    /// The next event, which counts as told; `None` when there is nothing new. Progress is told when `progress`
    /// says that it may be, and at the end.
    pub fn next(&mut self, created_at: SystemTime, now: &Moment, progress: bool) -> Option<JobUpdate> {
        let JobState { started_at, finished_at, attempts, done, total, .. } = now.state;
        let said = now.state.said.as_ref();
        let said_at = said.map_or(0, |said| said.at);
        let state = now.state.state();
        if self.reported == Reported::Nothing
            || (self.reported == Reported::Running && state == State::Queued)
        {
            (self.reported, self.attempts) = (Reported::Queued, 0);
            return Some(JobUpdate::State { state: State::Queued, at: created_at, attempts: 0 });
        }
        if let Some(started_at) = started_at
            && (self.reported == Reported::Queued
                || (self.reported == Reported::Running && self.attempts != attempts))
        {
            (self.reported, self.attempts) = (Reported::Running, attempts);
            return Some(JobUpdate::State { state: State::Running, at: started_at, attempts });
        }
        if let Some(log) = self.next_log(now) {
            return Some(log);
        }
        let ended = state.is_final();
        let is_counted = said.is_none_or(|said| said.amounts.is_none());
        let moved = is_counted && (self.done != Some(done) || self.total != total) || self.said != said_at;
        if moved && (progress || ended) {
            (self.done, self.total, self.said) = (Some(done), total, said_at);
            let ((done, total), message) = (now.state.amounts(), now.state.message().map(str::to_owned));
            return Some(JobUpdate::Progress { done, total, message });
        }
        if !ended {
            return None;
        }
        if self.reported >= Reported::Ended {
            self.reported = Reported::Over;
            return Some(JobUpdate::End);
        }
        self.reported = Reported::Ended;
        let at = finished_at.unwrap_or(created_at);
        Some(JobUpdate::State { state, at, attempts })
    }

    fn next_log(&mut self, now: &Moment) -> Option<JobUpdate> {
        if self.log < now.log_bytes {
            let is_last =
                self.log + now.log.len() == now.log_bytes && (now.state.state().is_final() || now.log_cut);
            let held = if is_last { 0 } else { unfinished_bytes(&now.log) };
            let told = &now.log[..now.log.len() - held];
            if told.is_empty() {
                return None;
            }
            self.log += told.len();
            return Some(JobUpdate::Log { text: String::from_utf8_lossy(told).into_owned(), cut: false });
        }
        let cut = now.log_cut && self.log == now.log_bytes;
        self.log += usize::from(cut);
        cut.then(|| JobUpdate::Log { text: String::new(), cut: true })
    }
}

/// Bytes at the end that begin a character of UTF-8 and don't end it.
fn unfinished_bytes(text: &[u8]) -> usize {
    for back in 1..=text.len().min(3) {
        let byte = text[text.len() - back];
        let needed = match byte {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            // Goes on what stands before it.
            0x80..=0xBF => continue,
            0x00..=0x7F | 0xF8..=0xFF => return 0,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.", self.reported as u8, self.attempts)?;
        if let Some(done) = self.done {
            write!(f, "{done}")?;
        }
        write!(f, ".{}.{}.{}", self.total, self.said, self.log)
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut part = || parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let reported = match part() {
            Some("1") => Reported::Queued,
            Some("2") => Reported::Running,
            Some("3") => Reported::Ended,
            Some("4") => Reported::Over,
            Some(_) | None => return Err(()),
        };
        let attempts = part().and_then(|part| part.parse().ok()).ok_or(())?;
        let done = match part() {
            Some("") => None,
            Some(part) => Some(part.parse().map_err(|_| ())?),
            None => return Err(()),
        };
        let total = part().and_then(|part| part.parse().ok()).ok_or(())?;
        let said = part().and_then(|part| part.parse().ok()).ok_or(())?;
        let log = part().and_then(|part| part.parse().ok()).ok_or(())?;
        if parts.next().is_some() { Err(()) } else { Ok(Self { reported, attempts, done, total, said, log }) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::jobs::{self, Outcome, Value};

    fn moment(state: State, log: &[u8], from: usize) -> Moment {
        let mut now = JobState::accepted(1);
        if state != State::Queued {
            now.apply(jobs::JobEvent::Started, UNIX_EPOCH);
        }
        if state.is_final() {
            now.apply(jobs::JobEvent::Ended(Outcome::Value(Value::default())), UNIX_EPOCH);
        }
        Moment { state: now, log: log[from..].to_vec(), log_bytes: log.len(), log_cut: false }
    }

    /// All that is told, in short.
    fn told(cursor: &mut Cursor, state: State, log: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let now = moment(state, log, cursor.log_bytes().min(log.len()));
            match cursor.next(UNIX_EPOCH, &now, true) {
                Some(JobUpdate::State { state, .. }) => all.push(state.as_str().to_owned()),
                Some(JobUpdate::Log { text, .. }) => all.push(format!("log {text}")),
                Some(JobUpdate::Progress { done, total, .. }) => all.push(format!("{done}/{total}")),
                Some(JobUpdate::End) => {
                    all.push("end".to_owned());
                    return all;
                }
                Some(JobUpdate::Draining) | None => return all,
            }
        }
    }

    #[test]
    fn a_life_is_told_in_order_and_once() {
        let mut cursor = Cursor::start();
        assert_eq!(told(&mut cursor, State::Queued, b""), ["queued", "0/1"]);
        assert_eq!(told(&mut cursor, State::Queued, b""), [""; 0]);
        assert_eq!(told(&mut cursor, State::Running, b"one\n"), ["running", "log one\n"]);
        assert_eq!(told(&mut cursor, State::Succeeded, b"one\ntwo"), ["log two", "1/1", "succeeded", "end"]);
        let mut late = Cursor::start();
        let all = ["queued", "running", "log x", "1/1", "succeeded", "end"];
        assert_eq!(told(&mut late, State::Succeeded, b"x"), all);
    }

    #[test]
    fn who_comes_back_is_told_the_rest() {
        let mut cursor = Cursor::start();
        told(&mut cursor, State::Running, b"one");
        let mut back: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(back, cursor);
        assert_eq!(told(&mut back, State::Running, b"onetwo"), ["log two"]);
        told(&mut back, State::Succeeded, b"onetwo");
        let mut after: Cursor = back.to_string().parse().unwrap();
        assert_eq!(told(&mut after, State::Succeeded, b"onetwo"), ["end"]);
    }

    #[test]
    fn a_task_that_came_back_unread_is_queued_again() {
        let mut cursor = Cursor::start();
        told(&mut cursor, State::Running, b"");
        assert_eq!(told(&mut cursor, State::Queued, b""), ["queued"]);
        assert_eq!(told(&mut cursor, State::Running, b""), ["running"]);
    }

    #[test]
    fn what_a_function_says_is_told_in_the_place_of_its_items() {
        let mut now = moment(State::Running, b"", 0);
        let said = |at, done, message: Option<&str>| {
            jobs::JobEvent::Said(jobs::Said {
                at,
                amounts: Some((done, 10.0)),
                message: message.map(Into::into),
            })
        };
        let mut cursor = Cursor::start();
        let mut progress = |now: &Moment| {
            let mut updates =
                std::iter::from_fn(|| cursor.next(UNIX_EPOCH, now, true).filter(|it| *it != JobUpdate::End));
            updates.find_map(|update| match update {
                JobUpdate::Progress { done, total, message } => Some((done, total, message)),
                JobUpdate::State { .. } | JobUpdate::Log { .. } | JobUpdate::Draining | JobUpdate::End => {
                    None
                }
            })
        };
        assert_eq!(progress(&now), Some((0.0, 1.0, None)));
        now.state.apply(said(7, 2.5, Some("half")), UNIX_EPOCH);
        assert_eq!(progress(&now), Some((2.5, 10.0, Some("half".into()))));
        assert_eq!(progress(&now), None);
        now.state.apply(said(6, 1.0, None), UNIX_EPOCH);
        assert_eq!(progress(&now), None, "older words");
        now.state.apply(said(8, 10.0, None), UNIX_EPOCH);
        now.state.apply(jobs::JobEvent::Ended(Outcome::Value(Value::default())), UNIX_EPOCH);
        assert_eq!(progress(&now), Some((10.0, 10.0, None)));
        assert_eq!(progress(&now), None);
    }

    #[test]
    fn characters_are_not_torn() {
        let text = "a€".as_bytes();
        let mut cursor = Cursor::start();
        let first = told(&mut cursor, State::Running, &text[..3]);
        assert_eq!(first.last().map(String::as_str), Some("0/1"), "{first:?}");
        assert!(first.contains(&"log a".to_owned()), "{first:?}");
        assert_eq!(told(&mut cursor, State::Running, text), ["log €"]);
        let mut torn = Cursor::start();
        assert!(told(&mut torn, State::Succeeded, &text[..3]).contains(&"log a\u{FFFD}".to_owned()));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for bad in [
            "",
            "x",
            "1",
            "0.0..0.0.0",
            "5.0..0.0.0",
            "1.0..0.0",
            "1.0..0.0.0.0",
            "1.0.-1.0.0.0",
            "1.+1..0.0.0",
        ] {
            assert_eq!(bad.parse::<Cursor>(), Err(()), "{bad}");
        }
        assert_eq!("1.0..0.0.99999999999999999999999".parse::<Cursor>(), Err(()));
    }
}
