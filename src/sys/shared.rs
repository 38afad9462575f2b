//! Memory shared with workers that all may write: a sealed memfd, mapped, reached as atomics of 1, 2, 4 or 8 bytes.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc::c_void;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;

/// How many bytes an item has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// 1.
    One,
    /// 2.
    Two,
    /// 4.
    Four,
    /// 8.
    Eight,
}

impl Width {
    /// As a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// Shared memory of a fixed length, zeroed at first; unmapped and closed at drop. What another process has mapped stays
/// there for it.
#[derive(Debug)]
pub struct SharedBlock {
    fd: OwnedFd,
    items: SharedItems,
}

/// A mapping of shared memory, unmapped at drop; it holds no descriptor.
#[derive(Debug)]
pub struct SharedItems {
    address: NonNull<c_void>,
    length: NonZeroUsize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only reached through atomics.
unsafe impl Send for SharedItems {}
// SAFETY: as above.
unsafe impl Sync for SharedItems {}

impl SharedBlock {
    /// Makes one of `length` bytes (at least 1 and a multiple of 8 are taken), its size sealed, so that no holder can
    /// shrink it under another's feet (SIGBUS).
    pub fn create(length: usize) -> io::Result<Self> {
        let length = length.max(1).checked_next_multiple_of(8).and_then(NonZeroUsize::new);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        let fd = memfd_create(c"forkpool-shared", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        nix::unistd::ftruncate(&fd, i64::try_from(length.get()).map_err(io::Error::other)?)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
        let items = SharedItems::map(fd.as_fd(), length)?;
        Ok(Self { fd, items })
    }

    /// The memfd, to be passed on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Deref for SharedBlock {
    type Target = SharedItems;

    fn deref(&self) -> &SharedItems {
        &self.items
    }
}

impl SharedItems {
    /// Maps the first `length` bytes of a memfd whose size is sealed.
    pub fn map(fd: BorrowedFd<'_>, length: NonZeroUsize) -> io::Result<Self> {
        let size = usize::try_from(fstat(fd)?.st_size).unwrap_or(0);
        if size < length.get() {
            return Err(io::Error::other(format!("the memory has {size} bytes instead of {length}")));
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing; the file is at least `length`
        // bytes long (checked) and sealed against shrinking, so every access inside stays backed.
        let address = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self { address, length })
    }

    /// A pointer to item `index` of this width.
    fn item<T>(&self, index: usize, width: Width) -> NonNull<T> {
        let offset = index.checked_mul(width.bytes());
        let end = offset.and_then(|offset| offset.checked_add(width.bytes()));
        assert!(end.is_some_and(|end| end <= self.length.get()), "item {index} is beyond the shared memory");
        debug_assert_eq!(size_of::<T>(), width.bytes());
        // SAFETY: the whole item lies inside of the mapping (checked).
        unsafe { self.address.cast::<u8>().add(offset.unwrap_or(0)) }.cast()
    }

    /// Reads an item; its bits, in the low bytes.
    ///
    /// # Panics
    /// If the index is beyond the memory: a mistake in this program, never input.
    pub fn load(&self, index: usize, width: Width) -> u64 {
        // SAFETY: (all four) in bounds (checked by `item`), aligned (the start of a page plus a multiple of the width),
        // alive as long as self, and reached as an atomic by this process; other processes may write at any time,
        // which an atomic expects.
        unsafe {
            match width {
                Width::One => u64::from(self.item::<AtomicU8>(index, width).as_ref().load(Ordering::SeqCst)),
                Width::Two => u64::from(self.item::<AtomicU16>(index, width).as_ref().load(Ordering::SeqCst)),
                Width::Four => {
                    u64::from(self.item::<AtomicU32>(index, width).as_ref().load(Ordering::SeqCst))
                }
                Width::Eight => self.item::<AtomicU64>(index, width).as_ref().load(Ordering::SeqCst),
            }
        }
    }

    /// Writes an item: the low bytes of `bits`.
    ///
    /// # Panics
    /// As [`SharedItems::load`].
    #[expect(clippy::cast_possible_truncation, reason = "the low bytes are what is asked for")]
    pub fn store(&self, index: usize, width: Width, bits: u64) {
        // SAFETY: as in `load`; the mapping is writable.
        unsafe {
            match width {
                Width::One => {
                    self.item::<AtomicU8>(index, width).as_ref().store(bits as u8, Ordering::SeqCst);
                }
                Width::Two => {
                    self.item::<AtomicU16>(index, width).as_ref().store(bits as u16, Ordering::SeqCst);
                }
                Width::Four => {
                    self.item::<AtomicU32>(index, width).as_ref().store(bits as u32, Ordering::SeqCst);
                }
                Width::Eight => self.item::<AtomicU64>(index, width).as_ref().store(bits, Ordering::SeqCst),
            }
        }
    }

    /// Adds to an item as a whole number that wraps; its bits before.
    ///
    /// # Panics
    /// As [`SharedItems::load`].
    #[expect(clippy::cast_possible_truncation, reason = "the low bytes are what is asked for")]
    pub fn add(&self, index: usize, width: Width, amount: u64) -> u64 {
        const ORDER: Ordering = Ordering::SeqCst;
        // SAFETY: as in `store`.
        unsafe {
            match width {
                Width::One => {
                    u64::from(self.item::<AtomicU8>(index, width).as_ref().fetch_add(amount as u8, ORDER))
                }
                Width::Two => {
                    u64::from(self.item::<AtomicU16>(index, width).as_ref().fetch_add(amount as u16, ORDER))
                }
                Width::Four => {
                    u64::from(self.item::<AtomicU32>(index, width).as_ref().fetch_add(amount as u32, ORDER))
                }
                Width::Eight => self.item::<AtomicU64>(index, width).as_ref().fetch_add(amount, ORDER),
            }
        }
    }

    /// Writes an item if it still is what it was.
    ///
    /// # Panics
    /// As [`SharedItems::load`].
    #[expect(clippy::cast_possible_truncation, reason = "the low bytes are what is asked for")]
    pub fn replace(&self, index: usize, width: Width, old: u64, new: u64) -> bool {
        const ORDER: Ordering = Ordering::SeqCst;
        // SAFETY: as in `store`.
        unsafe {
            match width {
                Width::One => {
                    let item = self.item::<AtomicU8>(index, width);
                    item.as_ref().compare_exchange(old as u8, new as u8, ORDER, ORDER).is_ok()
                }
                Width::Two => {
                    let item = self.item::<AtomicU16>(index, width);
                    item.as_ref().compare_exchange(old as u16, new as u16, ORDER, ORDER).is_ok()
                }
                Width::Four => {
                    let item = self.item::<AtomicU32>(index, width);
                    item.as_ref().compare_exchange(old as u32, new as u32, ORDER, ORDER).is_ok()
                }
                Width::Eight => {
                    let item = self.item::<AtomicU64>(index, width);
                    item.as_ref().compare_exchange(old, new, ORDER, ORDER).is_ok()
                }
            }
        }
    }
}

impl Drop for SharedItems {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference into it outlives self. An error
        // could only mean that it isn't mapped; nothing is left to do then.
        let _ = unsafe { munmap(self.address, self.length.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_apart() {
        let block = SharedBlock::create(16).unwrap();
        block.store(1, Width::Two, 0x1_ffff);
        assert_eq!(block.load(0, Width::Eight), 0xffff_0000);
        assert_eq!(block.load(3, Width::One), 0xff);
        assert!(block.replace(1, Width::Eight, 0, 7) && !block.replace(1, Width::Eight, 0, 8));
        assert_eq!(block.load(2, Width::Four), 7);
        assert_eq!(block.add(6, Width::One, 0x1_0002), 0);
        assert_eq!((block.add(6, Width::One, 0xff), block.load(6, Width::One)), (2, 1));
        assert_eq!(block.load(7, Width::One), 0);
    }
}
