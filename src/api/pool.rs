//! Functions, pools, workers and the server itself as the API shows them.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// A function that is offered.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "tasks.square", "runtime": "python", "pool": "python", "signature": "(x: int) -> int", "doc": "x * x",
    "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
                   "additionalProperties": false},
    "returns": {"type": "integer"}
}))]
pub struct FunctionInfo {
    /// Public name.
    pub name: String,
    /// `python`, `native` or `command`.
    pub runtime: String,
    /// The pool that runs it unless a request names another.
    pub pool: String,
    /// How it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// Its documentation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// The JSON Schema of its arguments by name, which `callFunction` takes; left out where not even names
    /// are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Map<String, serde_json::Value>>,
    /// The JSON Schema of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returns: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A pool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "reports", "runtime": "python", "state": "running", "permanent": false, "processes": 2,
    "ready": 2, "queued": 0, "running": 1, "maxtasksperchild": 100, "maxtasksperchild_jitter": 10,
    "preload": "auto", "keep_threads": false, "spare_workers": 0
}))]
pub struct PoolInfo {
    /// Its name.
    pub name: String,
    /// `python`, `native` or `command`.
    pub runtime: String,
    /// `running`, or `closed`: it takes no more work.
    pub state: String,
    /// Worker processes that it should have.
    pub processes: u64,
    /// Worker processes that take tasks now.
    pub ready: u64,
    /// Whether it was made at start.
    pub permanent: bool,
    /// Jobs of which nothing has started.
    pub queued: u64,
    /// Jobs of which something has.
    pub running: u64,
    /// The function that each worker calls before its first task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initializer: Option<String>,
    /// Its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub initargs: Option<Box<RawValue>>,
    /// Tasks that a worker runs before another takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxtasksperchild: Option<u64>,
    /// Up to so many more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxtasksperchild_jitter: Option<u64>,
    /// Bytes that a worker may hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_rss: Option<u64>,
    /// Of a Python pool: what of the code is loaded before its workers are forked: `auto`, `on` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<String>,
    /// Of a Python pool: whether a worker stays in which a task has left threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_threads: Option<bool>,
    /// Workers that it keeps ready beyond `processes`: one takes the place of a worker that ends, at once.
    pub spare_workers: u64,
}

/// A worker process.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "pid": 4242, "state": "busy", "generation": 1, "current_job": "0197f2a0-5c1e-7b3a-9f44-2d1c6a0b7e11",
    "current_function": "tasks.square", "current_task_started_at": "2026-01-02T03:04:05.679Z",
    "tasks_started": 8, "tasks_succeeded": 7, "tasks_failed": 0, "busy_seconds": 0.25
}))]
pub struct WorkerInfo {
    /// Its process id; left out before it is forked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// `starting`, `idle`, `busy` or `stopping`.
    pub state: String,
    /// True of a worker that is ready and gets no tasks before it takes another's place; left out else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub spare: bool,
    /// The loading of the code that it has, from 1.
    pub generation: u64,
    /// The job that it works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_job: Option<String>,
    /// The function that it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_function: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub current_task_started_at: Option<String>,
    /// Tasks that it started.
    pub tasks_started: u64,
    /// Tasks that it answered with a value.
    pub tasks_succeeded: u64,
    /// Tasks that it answered otherwise.
    pub tasks_failed: u64,
    /// Seconds that it ran tasks.
    pub busy_seconds: f64,
}

/// Which server this is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "forkpool", "version": "0.1.0"}))]
pub struct VersionInfo {
    /// `forkpool`.
    pub name: String,
    /// Its version.
    pub version: String,
}
