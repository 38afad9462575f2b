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
mod entry;
mod error;
mod event;
mod held;
mod list;
mod lock;
mod namespace;
mod numbers;
mod permits;
mod pipe;
mod python;
mod queue;
mod quota;
mod registry;
mod shared_object;
mod slice;
#[cfg(test)]
mod tests;
mod wait_queue;

pub use address::{Address, HolderId, Kind, ObjectCaller};
pub use call::{Calling, Delivery};
pub use error::{ErrorCode, Exception, Limit, ObjectError};
pub use numbers::SharedMemory;
pub use quota::ObjectLimits;
pub use registry::{Call, ObjectPage, Objects};
