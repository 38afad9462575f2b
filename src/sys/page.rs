//! One page of memory shared with a worker: a sealed memfd, mapped.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc::c_void;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Size of a shared page in bytes.
pub const PAGE_BYTES: usize = 4096;
const PAGE_LENGTH: NonZeroUsize = NonZeroUsize::new(PAGE_BYTES).unwrap();

/// Makes a page: zeroed, its size sealed, so that no holder can shrink it under another's feet (SIGBUS).
pub fn create_page() -> io::Result<OwnedFd> {
    let fd = memfd_create(c"forkpool-page", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    nix::unistd::ftruncate(&fd, i64::try_from(PAGE_BYTES).map_err(io::Error::other)?)?;
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}

/// A page mapped shared; unmapped at drop. Its words are reached as atomics only.
#[derive(Debug)]
pub struct MappedPage {
    address: NonNull<c_void>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only reached through atomics.
unsafe impl Send for MappedPage {}
// SAFETY: as above.
unsafe impl Sync for MappedPage {}

impl MappedPage {
    /// Maps a page for reading, and for writing too if `writable`.
    pub fn map(fd: impl AsFd, writable: bool) -> io::Result<Self> {
        let mut protection = ProtFlags::PROT_READ;
        if writable {
            protection |= ProtFlags::PROT_WRITE;
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing; the file is
        // PAGE_BYTES long and sealed against shrinking, so every access inside stays backed.
        let address = unsafe { mmap(None, PAGE_LENGTH, protection, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self { address })
    }

    /// The word at `index` (64 bits each).
    ///
    /// # Panics
    /// If the index is beyond the page: a mistake in this program, never input.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < PAGE_BYTES / 8, "word {index} is beyond the page");
        // SAFETY: in bounds (checked), aligned (a page start plus a multiple of 8), alive as long as self,
        // and only ever reached as an atomic by all processes. A read-only mapping is only loaded from, which
        // needs no write access.
        unsafe { self.address.cast::<AtomicU64>().add(index).as_ref() }
    }
}

impl Drop for MappedPage {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no reference into it outlives self. An
        // error could only mean that it isn't mapped; nothing is left to do then.
        let _ = unsafe { munmap(self.address, PAGE_BYTES) };
    }
}
