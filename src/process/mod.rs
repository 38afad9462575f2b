//! Zygotes and workers as processes: started, watched, killed, reaped.
//!
//! Invariant: nothing here knows what a task or a job is, and the server itself never forks.

mod exit;
mod family;
mod late;
mod lines;
mod spawner;
mod worker;
mod zygote;

pub use crate::transport::{CommandOutput, FunctionTypes, LoadCommand};
pub use exit::Exit;
pub use family::Family;
pub use late::{Late, Preload};
pub use lines::Lines;
pub use spawner::{ForkError, Initializer, Newborn, Purpose, Spawner};
pub use worker::{WorkerEvent, WorkerProcess, attend};
pub use zygote::{Announced, Generation, LoadError, LoadList, RuntimeSpec};
