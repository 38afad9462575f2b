//! Functions, pools, workers and the server itself as the API shows them.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::job::timestamp;
use crate::catalog::Function;
use crate::pool::{PoolState, Runtime, WorkerView};
use crate::service::PoolShown;

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

impl FunctionInfo {
    /// A function as the API shows it.
    pub fn of(function: &Function) -> Self {
        let object = |schema: Option<&Value>| schema.and_then(Value::as_object).cloned();
        Self {
            name: function.name.to_string(),
            runtime: function.runtime.name().into(),
            pool: function.pool.to_string(),
            signature: function.signature.clone(),
            doc: function.doc.clone(),
            parameters: object(function.types.parameters()),
            returns: object(function.types.returns()),
        }
    }
}

impl PoolInfo {
    /// A pool as the API shows it.
    pub fn of(shown: &PoolShown) -> Self {
        let PoolShown { pool, view } = shown;
        let options = &pool.options;
        let initializer = options.initializer.as_ref();
        let limited = options.maxtasksperchild;
        let is_python = pool.runtime == Runtime::Python;
        Self {
            spare_workers: pool.spare_workers() as u64,
            name: pool.name.to_string(),
            runtime: pool.runtime.name().into(),
            state: if pool.state() == PoolState::Closed { "closed".into() } else { "running".into() },
            processes: pool.processes() as u64,
            ready: pool.ready() as u64,
            permanent: pool.permanent,
            queued: view.as_ref().map_or(0, |view| view.queued as u64),
            running: view.as_ref().map_or(0, |view| view.running as u64),
            initializer: initializer.map(|initializer| initializer.function.to_string()),
            initargs: initializer
                .and_then(|initializer| RawValue::from_string(initializer.arguments.to_string()).ok()),
            maxtasksperchild: limited,
            maxtasksperchild_jitter: limited.map(|_| options.maxtasksperchild_jitter),
            max_rss: options.max_rss,
            preload: is_python.then(|| options.preload.word().to_owned()),
            keep_threads: is_python.then_some(options.keep_threads),
        }
    }
}

impl WorkerInfo {
    /// A worker as the API shows it.
    pub fn of(worker: WorkerView) -> Self {
        let counters = worker.counters;
        let (current_job, current_function) = worker.current.unzip();
        // Nanoseconds beyond 2**53 (104 days of work) lose their last digits.
        let busy = Duration::from_nanos(counters.busy_nanoseconds);
        Self {
            pid: worker.pid,
            state: worker.state.into(),
            spare: worker.spare,
            generation: worker.generation,
            current_job: current_job.map(|job| job.to_string()),
            current_function: current_function.map(|name| name.to_string()),
            current_task_started_at: worker.current_age.map(|age| timestamp(SystemTime::now() - age)),
            tasks_started: counters.started,
            tasks_succeeded: counters.succeeded,
            tasks_failed: counters.failed,
            busy_seconds: busy.as_secs_f64(),
        }
    }
}
