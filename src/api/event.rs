//! The data of a job's events, one type for each name.

use serde::Serialize;

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
