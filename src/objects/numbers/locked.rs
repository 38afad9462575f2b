//! What a value and an array have in common: the memory and its lock, an RLock.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::SharedMemory;
use super::typecode::{Amount, Typecode};
use crate::objects::address::HolderId;
use crate::objects::error::{ErrorCode, ObjectError};
use crate::objects::line::Outcome;
use crate::objects::permits::{Permits, Rule};
use crate::sys::SharedBlock;

/// Most values and arrays: each takes a descriptor and a mapping of the server.
pub(super) const BLOCKS_MAX: usize = 10_000;
const PAGE_BYTES: usize = 4_096;

static BLOCKS: AtomicUsize = AtomicUsize::new(0);

/// Numbers in shared memory. `P`: what its lock may be waited for.
#[derive(Debug)]
pub(super) struct Locked<P> {
    pub typecode: Typecode,
    pub length: usize,
    pub lock: Permits<P>,
    block: SharedBlock,
}

impl<P> Locked<P> {
    pub fn new(typecode: Typecode, length: usize) -> Result<Self, ObjectError> {
        if BLOCKS.fetch_add(1, Ordering::Relaxed) >= BLOCKS_MAX {
            BLOCKS.fetch_sub(1, Ordering::Relaxed);
            let detail =
                format!("there are {BLOCKS_MAX} values and arrays, the most that can be; delete some");
            return Err(ObjectError::new(ErrorCode::Overloaded, detail));
        }
        let block =
            length.checked_mul(typecode.width.bytes()).and_then(|bytes| SharedBlock::create(bytes).ok());
        let block = block.ok_or_else(|| {
            BLOCKS.fetch_sub(1, Ordering::Relaxed);
            ObjectError::new(ErrorCode::Overloaded, "the kernel gave no memory to share; try again later")
        })?;
        Ok(Self { typecode, length, lock: Permits::new(Rule::Owned, 1), block })
    }

    pub fn load(&self, index: usize) -> u64 {
        self.block.load(index, self.typecode.width)
    }

    pub fn store(&self, index: usize, bits: u64) {
        self.block.store(index, self.typecode.width, bits);
    }

    /// An item as JSON.
    pub fn text(&self, index: usize) -> Result<Vec<u8>, ObjectError> {
        self.typecode.text(self.load(index))
    }

    /// The same, at the end of a text.
    pub fn write(&self, index: usize, out: &mut Vec<u8>) -> Result<(), ObjectError> {
        self.typecode.write(self.load(index), out)
    }

    /// Adds in one step, whoever writes meanwhile.
    pub fn add(&self, index: usize, amount: Amount) -> Result<Vec<u8>, ObjectError> {
        loop {
            let old = self.load(index);
            let new = self.typecode.added(old, amount);
            let text = self.typecode.text(new)?;
            if self.block.replace(index, self.typecode.width, old, new) {
                return Ok(text);
            }
        }
    }

    pub fn memory(&self) -> Option<SharedMemory> {
        let fd = self.block.fd().as_fd().try_clone_to_owned().ok()?;
        let item_bytes = self.typecode.width.bytes();
        Some(SharedMemory { fd, typecode: self.typecode.letter, item_bytes, length: self.length })
    }

    pub fn forget(&mut self, holder: HolderId) {
        self.lock.line().take_if(|waiter| waiter.holder == Some(holder));
        self.lock.died(holder);
    }

    pub fn end_waits(&mut self, outcome: &Outcome, over_http_only: bool) {
        self.lock.line().end_if(outcome, |waiter| !over_http_only || waiter.holder.is_none());
    }

    pub fn bytes(&self) -> usize {
        let content = self.length.saturating_mul(self.typecode.width.bytes());
        content.max(1).next_multiple_of(PAGE_BYTES) + self.lock.bytes()
    }
}

impl<P> Drop for Locked<P> {
    fn drop(&mut self) {
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
    }
}
