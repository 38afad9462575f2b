//! The server's shared objects in native functions, as typed arguments.
//!
//! A worker has one call socket; a call blocks its thread and no other. Other processes see what one does at once.

mod error;
mod line;
mod locks;
mod manager;
mod memory;
mod queue;
mod reference;

pub use error::ObjectError;
pub(super) use line::take as take_line;
pub use locks::{Barrier, BoundedSemaphore, Condition, Event, Guard, Lock, RLock, Semaphore};
pub use manager::{Dict, List, Namespace};
pub use memory::{Array, Cell, Value};
pub use queue::{Connection, Queue};
pub(super) use reference::refused;
