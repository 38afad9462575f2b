//! A job's events: their names, and the data of each.

use serde::Serialize;

use super::job::{Progress, timestamp};
use crate::service::JobUpdate;

/// `state`: the job came into this state.
#[derive(Debug, Serialize)]
pub struct StateEvent {
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub state: &'static str,
    /// When (RFC 3339, UTC).
    pub at: String,
    /// How often it was started.
    pub attempts: u32,
}

/// `log`: its tasks printed something.
#[derive(Debug, Serialize)]
pub struct LogEvent {
    /// The next characters.
    pub text: String,
    /// Whether more was printed than is kept; the last of its kind says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// The data of an event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum EventData {
    /// `state`.
    State(StateEvent),
    /// `log`.
    Log(LogEvent),
    /// `progress`.
    Progress(Progress),
}

/// An event's name, and its data; `None` of those whose data is the job or a problem.
pub fn event_of(event: JobUpdate) -> (&'static str, Option<EventData>) {
    match event {
        JobUpdate::State { state, at, attempts } => {
            let event = StateEvent { state: state.as_str(), at: timestamp(at), attempts };
            ("state", Some(EventData::State(event)))
        }
        JobUpdate::Log { text, cut } => ("log", Some(EventData::Log(LogEvent { text, cut }))),
        JobUpdate::Progress { done, total, message } => {
            ("progress", Some(EventData::Progress(Progress { done, total, message })))
        }
        JobUpdate::Draining => ("draining", None),
        JobUpdate::End => ("end", None),
    }
}
