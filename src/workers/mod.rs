//! A pool's worker processes: how many there are, which tasks each has, what each is sent and answers.
//!
//! [`set::WorkerSet`] does the I/O: [`size`] starts and ends workers, [`hand_out`] writes tasks into their pipes and
//! [`take_back`] reads back what they have not read, [`reports`] takes their answers and deaths, [`cancel`] kills
//! those that run a cancelled job, [`recycle`] replaces those that have run enough or grown too large. [`table`] (who
//! has what), [`backoff`] (when one is replaced) and [`deaths`] (what an end means) are pure.
//!
//! Invariant: nothing here waits for a worker. Which task comes next, and what becomes of one, is the scheduler's to
//! say.

mod backoff;
mod beginning;
mod cancel;
mod deaths;
mod hand_out;
mod handle;
mod options;
mod output;
mod progress;
mod recycle;
mod reports;
mod sequence;
mod set;
mod size;
mod table;
mod take_back;
mod view;
mod yields;

pub use options::{BootFailure, BootReason, PoolOptions};
pub(crate) use reports::WorkerReport;
pub use set::WorkerSpec;
pub(crate) use set::{Reporter, WorkerSet};
pub(crate) use table::WorkerKey;
pub use view::WorkerView;
