//! Queues, pipes, locks, values, dicts and their kin, shared by clients and workers. All their state is here.
//!
//! Invariant: knows neither HTTP nor workers, holds no thread, and a call that leaves takes nothing with it. The
//! [`catalog`] is the one table of kinds, methods and arguments.

mod address;
mod arguments;
mod barrier;
mod begin;
mod call;
pub mod catalog;
mod condition;
mod dict;
mod elsewhere;
mod error;
mod event;
mod line;
mod list;
mod lock;
mod namespace;
mod numbers;
mod object;
mod permits;
mod pipe;
mod python;
mod queue;
mod registry;
mod room;
mod slice;
#[cfg(test)]
mod tests;
mod thing;

pub use address::{Address, Caller, HolderId, Kind};
pub use call::{Calling, Handed};
pub use error::{ErrorCode, Exception, Limit, ObjectError};
pub use numbers::SharedMemory;
pub use registry::{Call, Objects, Page};
pub use room::ObjectLimits;
