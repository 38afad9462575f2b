//! The allocator of the binary: the system's, but for blocks of 8 KiB, which stand page by page.
//!
//! A connection has two buffers of this size and uses the first few hundred bytes of one while its request waits.
//! The system's allocator puts a header before each, so that every block and its neighbour share a page, and nearly
//! all pages are touched. Here an untouched page stays untouched: ten thousand waiting clients cost half the memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

/// Size of a block in bytes, as hyper's buffers have it.
const BLOCK_BYTES: usize = 8_192;
/// Blocks that there may be; beyond, the system allocates.
const BLOCKS_MAX: usize = 131_072;
/// Addresses reserved for them; memory is taken as it is touched.
const RANGE_BYTES: usize = BLOCK_BYTES * BLOCKS_MAX;

/// Where the blocks are; 0 until [`reserve_blocks`].
static BASE: AtomicUsize = AtomicUsize::new(0);
static LOCKED: AtomicBool = AtomicBool::new(false);
/// The block that was freed last, whose first word is the address of the one before; 0 is none. Under `LOCKED`.
static FREE: AtomicUsize = AtomicUsize::new(0);
/// How many blocks were ever given out. Under `LOCKED`.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The allocator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Blocks;

/// Reserves the addresses; once, in the server alone. If the kernel refuses, the system allocates everything.
pub fn reserve_blocks() {
    let Some(length) = NonZeroUsize::new(RANGE_BYTES) else { return };
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice overlaps nothing.
    if let Ok(range) = unsafe { mmap_anonymous(None, length, protection, flags) } {
        BASE.store(range.as_ptr() as usize, Ordering::Release);
    }
}

/// Runs `act` while no other thread does.
fn alone<R>(act: impl FnOnce() -> R) -> R {
    while LOCKED.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
        std::hint::spin_loop();
    }
    let result = act();
    LOCKED.store(false, Ordering::Release);
    result
}

fn is_block(pointer: *mut u8) -> bool {
    let base = BASE.load(Ordering::Acquire);
    base != 0 && (pointer as usize).wrapping_sub(base) < RANGE_BYTES
}

fn take_block() -> Option<NonNull<u8>> {
    let base = BASE.load(Ordering::Acquire);
    if base == 0 {
        return None;
    }
    alone(|| {
        let free = FREE.load(Ordering::Relaxed);
        if free != 0 {
            let block = free as *mut usize;
            // SAFETY: a free block is ours alone, and its first word is what `give_block` wrote.
            FREE.store(unsafe { block.read() }, Ordering::Relaxed);
            return NonNull::new(block.cast());
        }
        let used = USED.load(Ordering::Relaxed);
        if used == BLOCKS_MAX {
            return None;
        }
        USED.store(used + 1, Ordering::Relaxed);
        NonNull::new((base + used * BLOCK_BYTES) as *mut u8)
    })
}

fn give_block(pointer: *mut u8) {
    alone(|| {
        // SAFETY: the block was given out by `take_block` (aligned to a page, mapped for ever) and its owner has done
        // with it.
        unsafe { pointer.cast::<usize>().write(FREE.load(Ordering::Relaxed)) };
        FREE.store(pointer as usize, Ordering::Relaxed);
    });
}

// SAFETY: a block is 8 KiB at a page's start, given to one owner at a time and told from the system's memory by its
// address; everything else is the system's allocator as it is. Nothing here allocates or panics.
unsafe impl GlobalAlloc for Blocks {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == BLOCK_BYTES
            && layout.align() <= 4_096
            && let Some(block) = take_block()
        {
            return block.as_ptr();
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_block(pointer) {
            return give_block(pointer);
        }
        // SAFETY: as above; the memory is the system's.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above. Blocks may be dirty.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !is_block(pointer) {
            // SAFETY: as above; the memory is the system's.
            return unsafe { System.realloc(pointer, layout, new_size) };
        }
        // SAFETY: the caller's promise makes this a layout; the new memory overlaps no block, both have the bytes that
        // are copied, and the old block is given back by its owner.
        unsafe {
            let new = System.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(pointer, new, layout.size().min(new_size));
                give_block(pointer);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for all: what is reserved stays reserved.
    #[test]
    fn blocks_are_apart_come_back_and_can_grow() {
        let layout = Layout::from_size_align(BLOCK_BYTES, 1).unwrap();
        let other = Layout::from_size_align(BLOCK_BYTES / 2, 1).unwrap();
        reserve_blocks();
        // SAFETY: every pointer is used within its layout and freed once, with that layout.
        unsafe {
            let [one, two] = [0, 1].map(|_| Blocks.alloc(layout));
            assert!(is_block(one) && is_block(two) && one != two);
            assert_eq!((one as usize % 4_096, two as usize % 4_096), (0, 0));
            one.write_bytes(1, BLOCK_BYTES);
            two.write_bytes(2, BLOCK_BYTES);
            assert_eq!((*one, *one.add(BLOCK_BYTES - 1), *two), (1, 1, 2));
            let grown = Blocks.realloc(one, layout, 3 * BLOCK_BYTES);
            assert!(!is_block(grown) && *grown.add(BLOCK_BYTES - 1) == 1);
            assert_eq!(Blocks.alloc(layout), one, "a freed block is the next to be given");
            let small = Blocks.alloc(other);
            assert!(!is_block(small));
            Blocks.dealloc(small, other);
            for block in [one, two] {
                Blocks.dealloc(block, layout);
            }
            Blocks.dealloc(grown, Layout::from_size_align(3 * BLOCK_BYTES, 1).unwrap());
        }
    }
}
