//! What runs in a zygote and in its workers: loading, forking, the loop, and the runtimes: [`python`], [`native`]
//! (Rust), [`command`] (programs).
//!
//! Invariant: child only. One thread, blocking I/O, no tokio; of all this the server uses [`python`]'s
//! embedded source, and of [`Functions`] whether there are any and what is wrong with them.

mod builtin;
mod by_name;
mod command;
mod current;
mod functions;
mod items;
mod keeper;
mod native;
pub mod objects;
mod run;
mod sanitize;
mod single;
mod typed;
mod yielding;
mod zygote;

pub mod python;

pub use current::{CurrentJob, ProgressError, current_job, progress};
pub use functions::{BUILTIN, Functions};
pub use keeper::{KEEPER_ARGUMENT, run_keeper};
pub use native::Raised;
pub use typed::{Bytes, Described, MayYield, Outcome, Returned, Typed, Yielded, Yields};
pub use zygote::{ZYGOTE_ARGUMENT, run_zygote};
