//! Processes as requests and answers say them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{BodyProblem, Members, invalid};
use crate::json::Kind;
use crate::processes::ProcessHandle;

/// Longest name in characters.
const NAME_CHARS_MAX: usize = 256;

/// `Process(target, args, kwargs, name, daemon)`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"target": "process.f", "args": ["bob"]}))]
pub struct ProcessBody {
    /// Public name of the function that it runs.
    pub target: String,
    /// Positional arguments; none if left out.
    pub args: Option<Vec<serde_json::Value>>,
    /// Named arguments; none if left out.
    pub kwargs: Option<serde_json::Map<String, serde_json::Value>>,
    /// Its name, at most 256 characters; `Process-1`, `Process-2`, … if left out.
    #[schema(max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub name: Option<String>,
    /// Whether it is terminated when the server is told to stop, instead of awaited; false if left out.
    pub daemon: Option<bool>,
}

/// A [`ProcessBody`], read.
#[derive(Debug)]
pub struct ProcessRequest {
    /// Public name of a function.
    pub target: String,
    /// The text of a JSON array.
    pub arguments: Bytes,
    /// The text of a JSON object, if it has members.
    pub keywords: Option<Bytes>,
    /// Its name.
    pub name: Option<String>,
    /// Whether it is a daemon.
    pub daemon: bool,
}

impl ProcessRequest {
    /// Reads a body.
    pub fn parse(text: &Bytes, depth_max: usize) -> Result<Self, BodyProblem> {
        let members = Members::read(text, depth_max, &[&["target", "args", "kwargs", "name", "daemon"]])?;
        let target = members.string("target")?;
        let target = target.ok_or_else(|| {
            invalid("target", "the member target is missing: the public name of a function")
        })?;
        let arguments = members.raw("args", Kind::Array, "an array")?;
        let keywords = members.raw("kwargs", Kind::Object, "an object")?;
        let name = members.string("name")?;
        let fits = |name: &String| name.chars().count() <= NAME_CHARS_MAX && !name.contains(char::is_control);
        if !name.as_ref().is_none_or(fits) {
            return Err(invalid("name", "name must be at most 256 characters, without control characters"));
        }
        let daemon = members.raw("daemon", Kind::Bool, "true or false")?;
        Ok(Self {
            target,
            arguments: arguments.map_or(Bytes::from_static(b"[]"), |(text, _)| text),
            keywords: keywords.filter(|(_, member)| member.elements > 0).map(|(text, _)| text),
            name,
            daemon: daemon.is_some_and(|(text, _)| &text[..] == b"true"),
        })
    }
}

/// A Process.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "id": "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11", "name": "Process-1", "target": "process.f", "pid": 4242,
    "parent_pid": 4200, "daemon": false, "alive": false, "exitcode": 0
}))]
pub struct ProcessInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Public name of the function that it runs.
    pub target: String,
    /// Its process id.
    pub pid: i32,
    /// The server's process id, which is what `os.getppid()` says in it.
    pub parent_pid: i32,
    /// Whether it is terminated when the server is told to stop.
    pub daemon: bool,
    /// Whether it runs.
    pub alive: bool,
    /// Its exit status, or -N if signal N ended it; left out while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exitcode: Option<i32>,
}

/// Some Processes, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProcessList {
    /// The Processes.
    pub items: Vec<ProcessInfo>,
    /// Give it as `cursor` to get the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

impl ProcessInfo {
    /// A Process as the API shows it.
    pub fn of(handle: &ProcessHandle) -> Self {
        Self {
            id: handle.id.to_string(),
            name: handle.name.to_string(),
            target: handle.target.to_string(),
            pid: handle.pid,
            parent_pid: handle.parent_pid,
            daemon: handle.daemon,
            alive: handle.is_alive(),
            exitcode: handle.exit_code(),
        }
    }
}
