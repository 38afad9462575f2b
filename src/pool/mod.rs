//! The pools: each an actor that drives a scheduler and a set of workers.
//!
//! [`registry`] knows the pools by name. [`handle`] is a pool as its users see it, [`events`] all that can happen to
//! one; [`actor`] takes these one by one, and [`life`] says how far it is in its life. [`stream`] is the way of a
//! stream's records to its client.
//!
//! Invariant: whatever happens, every submitted job ends, once; nothing here waits for a worker.

mod actor;
mod events;
mod handle;
mod life;
mod registry;
mod stream;

pub use crate::process::{Initializer, Preload};
pub use crate::runtime::Runtime;
pub use crate::scheduler::{Callable, Callables, ItemSink, Submission};
pub use crate::workers::{BootFailure, BootReason, PoolOptions, WorkerSpec, WorkerView};
pub use handle::{Pool, PoolSpec, PoolState, PoolView};
pub use registry::{
    NewPool, NotMade, PlanError, PoolContext, Pools, SpawnerKey, TooManyWorkers, pick_initializer,
    pick_runtime,
};
pub use stream::{ByteGauge, Sink};
