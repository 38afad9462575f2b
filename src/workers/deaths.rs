//! What the end of a worker means: for the task that it ran, and for the pool if it never became ready.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::handle::WorkerHandle;
use super::options::{BootFailure, BootReason};
use crate::jobs::{Failure, FailureCode, log_seconds};
use crate::process::Exit;
use crate::scheduler::{self, Task};
use crate::transport::ProtocolError;

/// Why the server killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KillCause {
    /// The job that it was running was cancelled.
    Cancelled,
    /// Its task ran for longer than it may.
    RunTimeout,
    /// It did not read its tasks and did not answer a ping.
    Silent,
    /// It wrote something that is no answer.
    Protocol(ProtocolError),
    /// Its answer was no JSON, or did not fit the task.
    WrongAnswer,
    /// It answered a task twice: it ends what it runs, and gets no more tasks.
    AnsweredTwice,
    /// It waited for a task although it had been handed one, which something else in its process has read.
    LostTask,
    /// It did not become ready in time.
    Boot,
    /// It ran as many tasks as it may, or grew too large between two tasks.
    Recycled,
    /// The pool was made smaller, or is closed and has no work left.
    Surplus,
    /// It held more memory than it may while it ran a task.
    Memory(u64),
    /// The server goes down.
    Shutdown,
}

impl KillCause {
    /// Whether the worker itself is to blame, so that it counts as a death.
    pub fn is_worker_fault(self) -> bool {
        match self {
            Self::Protocol(_) | Self::WrongAnswer | Self::AnsweredTwice | Self::LostTask => true,
            Self::Cancelled
            | Self::RunTimeout
            | Self::Silent
            | Self::Boot
            | Self::Recycled
            | Self::Surplus
            | Self::Memory(_)
            | Self::Shutdown => false,
        }
    }
}

/// Says in the log that a worker died that the server didn't mean to end. `ran`: what it had begun, and for how long
/// that had been with it.
pub(super) fn log(pool: &str, worker: &WorkerHandle, exit: Exit, ran: Option<&Task>, run_time: Duration) {
    let pid = worker.pid();
    let Some(task) = ran else {
        let last = worker.last_owner.as_ref().map(|owner| tracing::field::display(owner.job));
        let last_function = worker.last_function.as_ref().map(|function| &**function.name());
        tracing::warn!(pool, pid, %exit, last_job = last, last_function, "an idle worker died");
        return;
    };
    tracing::warn!(
        pool,
        pid,
        %exit,
        job = %task.handle.id,
        function = &**task.function.name(),
        attempt = task.retries + 1,
        run_seconds = log_seconds(run_time),
        "a worker died"
    );
}

/// The failure of the task that a worker was running when it ended. `items_done`: the items of a chunk that were
/// done, by its page.
pub(super) fn of_death(exit: Exit, killed: Option<KillCause>, task: &Task, items_done: u64) -> Failure {
    // A worker that ended before our kill reached it ended by itself.
    let by_kill = matches!(exit, Exit::Signal { signal: Signal::SIGKILL, .. });
    let mut failure = match killed.filter(|_| by_kill) {
        Some(KillCause::Cancelled) => {
            Failure::new(FailureCode::Cancelled, "the job was cancelled while it ran")
        }
        Some(KillCause::RunTimeout) => {
            let most = task.handle.terms.run_timeout.unwrap_or_default().as_secs_f64();
            let detail = format!("{} ran for longer than {most} s (run_timeout)", task.function.name());
            let mut failure = Failure::new(FailureCode::RunTimeout, detail);
            failure.index = task.is_map().then(|| task.first_item + items_done.min(task.items - 1));
            failure
        }
        Some(KillCause::Shutdown) => {
            Failure::new(FailureCode::Interrupted, "the server went down before the job had ended")
        }
        Some(KillCause::Protocol(ProtocolError::Closed)) => {
            broken(task, "closed its pipe for answers", "closes descriptor 4")
        }
        Some(KillCause::Protocol(error)) => {
            broken(task, &format!("wrote what is no answer ({error})"), "writes to descriptor 4")
        }
        Some(KillCause::LostTask) => broken(task, "took a task and does not run it", "reads descriptor 3"),
        Some(KillCause::WrongAnswer | KillCause::AnsweredTwice) => {
            broken(task, "gave an answer that does not fit its task", "writes to descriptor 4")
        }
        Some(KillCause::Memory(bytes)) => Failure::new(
            FailureCode::WorkerDied,
            format!(
                "the worker that ran {} was killed: it held {bytes} bytes, more than its pool's max_rss",
                task.function.name()
            ),
        ),
        Some(KillCause::Silent | KillCause::Boot | KillCause::Recycled | KillCause::Surplus) | None => {
            Failure::new(
                FailureCode::WorkerDied,
                format!("the worker that ran {} ended by {exit}", task.function.name()),
            )
        }
    };
    if failure.code == FailureCode::WorkerDied {
        match exit {
            Exit::Code(code) => failure.exit_code = Some(code),
            Exit::Signal { signal, oom } => {
                failure.signal = Some(Signal::as_str(signal).into());
                failure.oom = oom || (by_kill && matches!(killed, Some(KillCause::Memory(_))));
            }
            Exit::RealTime(_) | Exit::Unknown => {}
        }
        failure.index = task.is_map().then(|| task.first_item + items_done.min(task.items - 1));
    }
    failure
}

/// The failure of the task of a worker that did what no worker does; `culprit`: what something in its process is likely
/// to have done.
fn broken(task: &Task, did: &str, culprit: &str) -> Failure {
    let detail = format!(
        "the worker that ran {} {did} and was replaced: something in its process, the function or a library, \
         {culprit}, which is the worker's own",
        task.function.name()
    );
    Failure::new(FailureCode::WorkerProtocolError, detail)
}

/// Why a pool's workers can't become ready, from what one of them reported of its initializer, or of loading the
/// code.
pub(super) fn of_boot(initializer: &str, payload: &[u8]) -> BootFailure {
    let (exception, loading) = scheduler::of_boot(payload);
    let detail = match (&exception, &loading) {
        (Some(exception), Some(what)) => {
            format!("{what} could not be loaded in a worker: {}: {}", exception.kind, exception.message)
        }
        (Some(exception), None) => {
            format!("the initializer {initializer} raised {}: {}", exception.kind, exception.message)
        }
        (None, _) => format!("the initializer {initializer} failed"),
    };
    let reason = if loading.is_some() { BootReason::Loading } else { BootReason::Initializer };
    BootFailure { reason, detail, exception }
}
