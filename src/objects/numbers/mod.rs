//! `Value` and `Array`: numbers in shared memory, and the lock that goes with them.

mod array;
mod locked;
mod typecode;
mod value;

use std::os::fd::OwnedFd;

pub(super) use array::SharedArray;
pub(super) use value::SharedValue;

/// The memory of a value or an array, for a process to map.
#[derive(Debug)]
pub struct SharedMemory {
    /// A memfd whose size is sealed; item `i` stands at byte `i * item_bytes`, in the machine's byte order.
    pub fd: OwnedFd,
    /// As the module `array` has it.
    pub typecode: char,
    /// How many bytes an item has.
    pub item_bytes: usize,
    /// How many items there are; 1 of a value.
    pub length: usize,
}
