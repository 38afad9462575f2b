//! What a value and an array have in common: the memory and its lock, an RLock.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::SharedMemory;
use super::typecode::{Amount, Typecode};
use crate::objects::address::HolderId;
use crate::objects::error::{ErrorCode, ObjectError};
use crate::objects::permits::{Permits, Rule};
use crate::objects::wait_queue::Reply;
use crate::sys::SharedBlock;

/// Most values and arrays: each takes a descriptor and a mapping of the server.
pub(super) const BLOCKS_MAX: usize = 10_000;
const PAGE_BYTES: usize = 4_096;

/// Tries of one addition: a worker that writes in a loop must not hold up the server. All of them take about a
/// millisecond.
const ADD_TRIES_MAX: usize = 10_000;

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
        let sum = match amount {
            Amount::Whole(whole) => {
                let before = self.block.add(index, self.typecode.width, whole);
                self.typecode.added(before, amount)
            }
            Amount::Float(_) => self.add_float(index, amount)?,
        };
        self.typecode.text(sum)
    }

    /// The processor has no addition of floats in one step: it is tried until nobody has written in between.
    fn add_float(&self, index: usize, amount: Amount) -> Result<u64, ObjectError> {
        for _ in 0..ADD_TRIES_MAX {
            let old = self.load(index);
            let new = self.typecode.added(old, amount);
            self.typecode.check(new)?;
            if self.block.replace(index, self.typecode.width, old, new) {
                return Ok(new);
            }
        }
        let detail = "others write this value all the time without holding its lock; nothing was added: have them \
                      acquire the lock, or try again later";
        Err(ObjectError::new(ErrorCode::Overloaded, detail))
    }

    pub fn memory(&self) -> Option<SharedMemory> {
        let fd = self.block.fd().as_fd().try_clone_to_owned().ok()?;
        let item_bytes = self.typecode.width.bytes();
        Some(SharedMemory { fd, typecode: self.typecode.letter, item_bytes, length: self.length })
    }

    pub fn forget(&mut self, holder: HolderId) {
        self.lock.waiting().take_if(|waiter| waiter.holder == Some(holder));
        self.lock.died(holder);
    }

    pub fn end_waits(&mut self, reply: &Reply, over_http_only: bool) {
        self.lock.waiting().end_if(reply, |waiter| !over_http_only || waiter.holder.is_none());
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    /// Adds a hundred times while others store without a pause.
    fn add_beside_writers(letter: &str, one: &str) -> Vec<Result<Vec<u8>, ObjectError>> {
        let typecode = Typecode::read(Some(letter)).expect("a typecode");
        let shared = Locked::<()>::new(typecode, 1).expect("memory");
        let amount = typecode.amount(one.as_bytes()).expect("a number");
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for writer in 1..4 {
                let (shared, over) = (&shared, &over);
                scope.spawn(move || {
                    let mut bits = writer;
                    while !over.load(Ordering::Relaxed) {
                        shared.store(0, bits);
                        bits ^= 1 << 20;
                    }
                });
            }
            let sums = (0..100).map(|_| shared.add(0, amount)).collect();
            over.store(true, Ordering::Relaxed);
            sums
        })
    }

    #[test]
    fn additions_end_beside_those_who_write_in_a_loop() {
        for sum in add_beside_writers("q", "1") {
            sum.expect("whole numbers are added in one step");
        }
        for sum in add_beside_writers("d", "0.5") {
            if let Err(error) = sum {
                assert_eq!(error.code, ErrorCode::Overloaded);
            }
        }
    }
}
