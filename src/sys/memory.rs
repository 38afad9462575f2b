//! Memory shared with other processes: numbers in a mapped memfd, each moved whole.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use nix::libc::c_void;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;

/// A memfd mapped shared, to read and to write; unmapped at drop. It is reached by atomics only.
#[derive(Debug)]
pub struct MappedNumbers {
    address: NonNull<c_void>,
    bytes: NonZeroUsize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only reached through atomics.
unsafe impl Send for MappedNumbers {}
// SAFETY: as above.
unsafe impl Sync for MappedNumbers {}

impl MappedNumbers {
    /// Maps the first so many bytes of a file whose size is sealed.
    pub fn map(fd: impl AsFd, bytes: NonZeroUsize) -> io::Result<Self> {
        let size = u64::try_from(fstat(&fd)?.st_size).unwrap_or(0);
        if size < bytes.get() as u64 {
            return Err(io::Error::other(format!("the memory has {size} bytes instead of {bytes}")));
        }
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing; the file is long enough
        // (checked above) and sealed against shrinking (see above), so every access inside stays backed.
        let address = unsafe { mmap(None, bytes, protection, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self { address, bytes })
    }

    /// The number of `size` bytes (1, 2, 4 or 8) at `index` of such numbers; `None` beyond the end.
    pub fn load(&self, index: usize, size: usize) -> Option<u64> {
        let cell = self.cell(index, size)?;
        // SAFETY: in bounds and aligned (see `cell`), alive as long as self, and only ever reached as an atomic here;
        // other processes move it whole, too.
        Some(unsafe {
            match size {
                1 => u64::from(cell.cast::<AtomicU8>().as_ref().load(Ordering::SeqCst)),
                2 => u64::from(cell.cast::<AtomicU16>().as_ref().load(Ordering::SeqCst)),
                4 => u64::from(cell.cast::<AtomicU32>().as_ref().load(Ordering::SeqCst)),
                _ => cell.cast::<AtomicU64>().as_ref().load(Ordering::SeqCst),
            }
        })
    }

    /// Writes the low bytes of `value` there; `None` beyond the end.
    pub fn store(&self, index: usize, size: usize, value: u64) -> Option<()> {
        let cell = self.cell(index, size)?;
        let bytes = value.to_le_bytes();
        let [a, b, c, d, ..] = bytes;
        // SAFETY: as in `load`.
        unsafe {
            match size {
                1 => cell.cast::<AtomicU8>().as_ref().store(a, Ordering::SeqCst),
                2 => cell.cast::<AtomicU16>().as_ref().store(u16::from_le_bytes([a, b]), Ordering::SeqCst),
                4 => cell.cast::<AtomicU32>().as_ref().store(u32::from_le_bytes([a, b, c, d]), Ordering::SeqCst),
                _ => cell.cast::<AtomicU64>().as_ref().store(value, Ordering::SeqCst),
            }
        };
        Some(())
    }

    /// Where a number is: in bounds, and aligned, since the mapping begins a page.
    fn cell(&self, index: usize, size: usize) -> Option<NonNull<c_void>> {
        if !matches!(size, 1 | 2 | 4 | 8) {
            return None;
        }
        let at = index.checked_mul(size)?;
        let end = at.checked_add(size)?;
        // SAFETY: within the mapping (checked here).
        (end <= self.bytes.get()).then(|| unsafe { self.address.byte_add(at) })
    }
}

impl Drop for MappedNumbers {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference into it outlives self. An error
        // could only mean that it isn't mapped; nothing is left to do then.
        let _ = unsafe { munmap(self.address, self.bytes.get()) };
    }
}
