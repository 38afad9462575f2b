//! The server's shared objects in native functions, as typed arguments.
//!
//! A worker has one call socket; a call blocks its thread and no other. Other processes see what one does at once.

mod call_socket;
mod error;
mod locks;
mod manager;
mod memory;
mod queue;
mod reference;

pub(super) use call_socket::take as take_call_socket;
pub use error::ObjectError;
pub use locks::{Barrier, BoundedSemaphore, Condition, Event, Guard, Lock, RLock, Semaphore};
pub use manager::{Dict, List, Namespace};
pub use memory::{Array, Cell, Value};
pub use queue::{Connection, Queue};
pub(super) use reference::refused;
