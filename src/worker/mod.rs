//! What runs in a zygote and in its workers: loading, forking, the loop, the runtimes.
//!
//! Invariant: child only. One thread, blocking I/O, no tokio; nothing here is called by the server but
//! [`python`]'s embedded source.

mod builtin;
mod command;
mod each;
mod native;
mod run;
mod sanitize;
mod zygote;

pub mod python;

pub use builtin::builtins;
pub use native::{Functions, Raised};
pub use zygote::{ZYGOTE_ARGUMENT, run_zygote};
