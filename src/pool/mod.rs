//! The engine: one actor owns a pool's queue and workers.
//!
//! [`engine`] (with [`requests`], [`hand_out`], [`size`] and [`worker_events`]) does the I/O; [`roster`] (who
//! has what), [`run`] (a job's tasks), [`queue`] (whose turn it is), [`fate`] (what an ending means) and
//! [`pace`] (when a worker is replaced) are pure. Arguments and values stay raw bytes.
//!
//! Invariant: a task is in exactly one place: its run's queue, or one worker's flight. Only the head of a
//! flight can have started.

mod clocks;
mod each;
mod engine;
mod events;
mod fate;
mod function;
mod gather;
mod hand_out;
mod handle;
mod output;
mod pace;
mod queue;
mod requests;
mod roster;
mod run;
mod size;
mod task;
mod worker_events;

pub use function::Function;
pub use handle::{Pool, PoolSpec, PoolView, WorkerView};
pub use task::{Held, Render, Sink, Submission, Work};
