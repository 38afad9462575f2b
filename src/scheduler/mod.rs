//! What runs next, and what became of it: a pool's jobs, their queue, limits, timers and results. Pure.
//!
//! [`core::Scheduler`] holds the jobs: [`job`] cuts each into tasks, [`queue`] orders them, [`results`] buffers their
//! values, [`timers`] knows when one has waited too long or is retried. [`limit`] bounds how many tasks of one
//! function run at once, [`quarantine`] stops a function that kills its workers; jobs of either are parked meanwhile.
//! [`function_state`] is what was learned of a function, [`callable`] that beside its description.
//! [`fate`] decides what a worker's answer or death means for a task. Arguments and values stay raw bytes.
//!
//! What happens to jobs is returned as [`crate::jobs::JobEvent`]s, for the caller to apply.
//!
//! Invariants: nothing here reads a clock, waits, or touches a descriptor: the time is an argument. A task is in
//! exactly one place: its job's queue, the timers, or with the caller. Every accepted job ends exactly once.

mod callable;
mod core;
mod event;
mod fate;
mod function_state;
mod job;
mod limit;
mod quarantine;
mod queue;
mod results;
#[cfg(test)]
mod simulation;
mod task;
mod timers;

pub use callable::{Callable, Callables};
pub(crate) use core::{Cancelling, Scheduler};
pub(crate) use fate::{of_answer, of_boot, of_part, of_shutdown};
pub use function_state::FunctionState;
pub use task::{ItemSink, RECORD_BYTES, Submission};
pub(crate) use task::{TINY_MAX, Task};
