//! One page of memory shared with a worker: a sealed memfd, mapped.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// A page mapped for reading: the server's end. Its words are loaded, never stored:
///
/// ```compile_fail,E0308
/// # use forkpool::{counters, sys};
/// let page = sys::PageReader::map(sys::create_page()?)?;
/// counters::write(&page, counters::Word::Pid, 1);
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct PageReader(Mapping);

/// A page mapped for reading and writing: the worker's end.
#[derive(Debug)]
pub struct PageWriter(Mapping);

impl PageReader {
    /// Maps a page.
    pub fn map(fd: impl AsFd) -> io::Result<Self> {
        Mapping::new(fd, ProtFlags::PROT_READ).map(Self)
    }

    /// Loads the word at `index` (64 bits each), and with it all that was stored before it.
    ///
    /// # Panics
    /// If the index is beyond the page: a mistake in this program, never input.
    pub fn load(&self, index: usize) -> u64 {
        self.0.word(index).load(Ordering::Acquire)
    }
}

impl PageWriter {
    /// Maps a page.
    pub fn map(fd: impl AsFd) -> io::Result<Self> {
        Mapping::new(fd, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE).map(Self)
    }

    /// The word at `index` (64 bits each).
    ///
    /// # Panics
    /// If the index is beyond the page: a mistake in this program, never input.
    pub fn word(&self, index: usize) -> &AtomicU64 {
        self.0.word(index)
    }
}

/// A page mapped shared; unmapped at drop. Its words are reached as atomics only.
#[derive(Debug)]
struct Mapping {
    address: NonNull<c_void>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only reached through atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(fd: impl AsFd, protection: ProtFlags) -> io::Result<Self> {
        // SAFETY: a fresh mapping at an address of the kernel's choice overlaps nothing; the file is
        // PAGE_BYTES long and sealed against shrinking, so every access inside stays backed.
        let address = unsafe { mmap(None, PAGE_LENGTH, protection, MapFlags::MAP_SHARED, fd, 0) }?;
        Ok(Self { address })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < PAGE_BYTES / 8, "word {index} is beyond the page");
        // SAFETY: in bounds (checked), aligned (a page start plus a multiple of 8), alive as long as self,
        // and only ever reached as an atomic by all processes. A read-only mapping is only loaded from
        // (`PageReader`), which needs no write access.
        unsafe { self.address.cast::<AtomicU64>().add(index).as_ref() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new` with this length, and no reference into it outlives self. An
        // error could only mean that it isn't mapped; nothing is left to do then.
        let _ = unsafe { munmap(self.address, PAGE_BYTES) };
    }
}
