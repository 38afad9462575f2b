//! The engine: one actor owns a pool's queue and workers.
//!
//! [`registry`] knows the pools by name. Of each, [`engine`] (with [`requests`], [`lifecycle`], [`hand_out`],
//! [`size`] and [`worker_events`]) does the I/O; [`roster`] (who
//! has what), [`run`] (a job's tasks), [`queue`] (whose turn it is), [`fate`] (what an ending means) and
//! [`pace`] (when a worker is replaced) are pure;
//! [`share`] bounds what one function runs at once, [`quarantine`] gives it a rest, and [`apart`] keeps its jobs
//! meanwhile. Arguments and values stay raw bytes.
//!
//! Invariant: a task is in exactly one place: its run's queue, or one worker's flight. Only the head of a
//! flight can have started.

mod apart;
mod clocks;
mod each;
mod engine;
mod events;
mod fate;
mod function;
mod gather;
mod hand_out;
mod handle;
mod lifecycle;
mod options;
mod output;
mod pace;
mod progress;
mod quarantine;
mod queue;
mod recycle;
mod registry;
mod requests;
mod roster;
mod run;
mod sequence;
mod share;
mod size;
mod task;
mod worker_events;

pub use crate::process::{Initializer, Preload, Runtime};
pub use function::Function;
pub use handle::{Pool, PoolSpec, PoolState, PoolView, WorkerView};
pub use options::{BootFailure, BootReason, PoolOptions};
pub use registry::{
    Functions, Misfit, NewPool, NotMade, Origin, Pools, TooManyWorkers, Workshop, pick_initializer,
    pick_runtime,
};
pub use task::{Held, Sink, Submission, Work};
