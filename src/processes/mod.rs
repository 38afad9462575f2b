//! A client's `Process(target, args, kwargs, name, daemon)`: started, awaited, signalled, remembered for a while.
//!
//! [`registry`] knows all of them, [`start`] makes one, [`handle`] is one.
//!
//! Invariant: bounded in number, in output and in memory of the dead; no HTTP, no job, no pool: their deaths
//! are nobody's fault.

mod handle;
mod registry;
mod start;

pub use handle::{ProcessHandle, ProcessId};
pub use registry::{ProcessPage, Processes, Rules};
pub use start::{NewProcess, NotStarted};
