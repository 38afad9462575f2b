//! What a function can ask of the task that it runs in, and say of it: [`current_job`], [`progress`].

use std::sync::OnceLock;

use nix::unistd::Pid;
use parking_lot::Mutex;
use uuid::Uuid;

use super::functions::Functions;
use crate::counters;
use crate::sys::PageWriter;
use crate::transport::{ReadTask, YieldWriter};

static WORKER: OnceLock<Worker> = OnceLock::new();

/// The job whose function this is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CurrentJob {
    /// The job's id, as the API writes it.
    pub id: String,
    /// How often this call or chunk is run by now: 1 at first.
    pub attempt: u32,
    /// The public name of the function.
    pub function: String,
    /// The labels that its client gave it.
    pub tags: Vec<String>,
}

/// What a number of [`progress`] can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`done` and `total` are finite numbers, and not negative")]
pub struct ProgressError;

/// This process, once it is a worker.
#[derive(Debug)]
pub(super) struct Worker {
    pid: Pid,
    pub page: PageWriter,
    names: Vec<String>,
    /// Largest value in bytes.
    result_bytes_max: usize,
    task: Mutex<Option<Running>>,
    /// Where what the task yields goes, if that is told one by one, until somebody has it.
    stream: Mutex<Option<YieldWriter>>,
}

#[derive(Debug)]
struct Running {
    sequence: u64,
    job: [u8; 16],
    attempt: u32,
    function: usize,
    tags: Vec<u8>,
}

/// The job whose task this worker runs; `None` outside of one: in an initializer, in a Process.
pub fn current_job() -> Option<CurrentJob> {
    let worker = WORKER.get()?;
    let task = worker.task.lock();
    let task = task.as_ref()?;
    Some(CurrentJob {
        id: Uuid::from_bytes(task.job).to_string(),
        attempt: task.attempt,
        function: worker.names.get(task.function).cloned().unwrap_or_default(),
        // The server has written them.
        tags: serde_json::from_slice(&task.tags).unwrap_or_default(),
    })
}

/// Says how far the function is: `progress` of the job, for whoever looks at it or follows its events. What is said
/// last stands; of a map, whose items are counted, the message alone. A message is cut at 1,024 bytes. Outside of a
/// task, and in a forked child of a worker, it says nothing.
///
/// It costs no more than writing it into memory: call it as often as you like.
pub fn progress<'a>(done: f64, total: f64, message: impl Into<Option<&'a str>>) -> Result<(), ProgressError> {
    if [done, total].iter().any(|number| !number.is_finite() || *number < 0.0) {
        return Err(ProgressError);
    }
    let Some(worker) = WORKER.get().filter(|worker| worker.pid == Pid::this()) else { return Ok(()) };
    let task = worker.task.lock();
    if let Some(task) = task.as_ref() {
        counters::write_progress(&worker.page, task.sequence, done, total, message.into());
    }
    Ok(())
}

/// Where what the task yields is told one by one; `None` if it isn't, or somebody has it already.
pub(super) fn take_yields() -> Option<YieldWriter> {
    WORKER.get()?.stream.lock().take()
}

/// Whether this process is no worker itself, but a copy that a function of one has forked.
pub(super) fn is_copy() -> bool {
    WORKER.get().is_some_and(|worker| worker.pid != Pid::this())
}

/// The largest value in bytes.
pub(super) fn result_bytes_max() -> usize {
    WORKER.get().map_or(usize::MAX, |worker| worker.result_bytes_max)
}

impl Worker {
    /// This process is a worker of these functions from now on; once.
    pub(super) fn set(
        page: PageWriter,
        functions: &Functions,
        result_bytes_max: usize,
    ) -> Option<&'static Self> {
        let names = functions.iter().map(|function| function.name.clone()).collect();
        let worker = Self {
            pid: Pid::this(),
            page,
            names,
            result_bytes_max,
            task: Mutex::new(None),
            stream: Mutex::new(None),
        };
        WORKER.set(worker).ok()?;
        WORKER.get()
    }

    /// A task begins.
    pub(super) fn begin(&self, task: &ReadTask<'_>, stream: Option<YieldWriter>) {
        let function = usize::try_from(task.header.detail).unwrap_or(usize::MAX);
        let (job, attempt, tags) = (task.origin.job, task.origin.attempt, task.tags.to_vec());
        *self.task.lock() = Some(Running { sequence: task.header.sequence, job, attempt, function, tags });
        *self.stream.lock() = stream;
    }

    /// It has ended.
    pub(super) fn end(&self) {
        *self.task.lock() = None;
        *self.stream.lock() = None;
    }
}
