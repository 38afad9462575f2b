//! Zygotes and workers as processes of the operating system: started, watched, killed, reaped. (A client's
//! `Process` is in [`crate::processes`].)
//!
//! [`zygote`] loads code once ([`load_error`] says why it could not), [`spawner`] has it fork, [`worker`] reads what a
//! worker writes, [`tree`] reaps whatever ends, [`exit`] says how it did.
//!
//! Invariant: nothing here knows what a task or a job is, and the server itself never forks.

mod exit;
mod late;
mod lines;
mod load_error;
mod marks;
mod printed;
mod spawner;
mod tree;
mod worker;
mod zygote;

pub use crate::transport::{
    AnnouncedFunction, CommandOutput, FunctionTypes, Interpreter, LoadCommand, Skipped,
};
pub use exit::Exit;
pub use late::{Late, Preload};
pub use lines::Lines;
pub(crate) use lines::log_output;
pub use load_error::LoadError;
pub use marks::Marks;
pub use spawner::{ForkError, Initializer, Newborn, Purpose, Spawner};
pub use tree::ProcessTree;
pub use worker::{WorkerEvent, WorkerProcess, attend};
pub use zygote::{Generation, LoadList, RuntimeSpec};
