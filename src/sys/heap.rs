//! The allocator's settings.

use std::ffi::c_int;

/// Up to so many freed bytes at the heap's end stay with the process, and blocks smaller than `block` are taken from
/// the heap; larger ones are given back once they are freed. By its own rules glibc may give back and fetch anew,
/// page by page, what every large request needs. Other libraries have other rules: `false`.
pub fn keep_freed_memory(bytes: c_int, block: c_int) -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};
        // SAFETY: mallopt takes two numbers and refuses those that it doesn't know; it may be called at any time.
        unsafe { mallopt(M_TRIM_THRESHOLD, bytes) == 1 && mallopt(M_MMAP_THRESHOLD, block) == 1 }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        let _ = (bytes, block);
        false
    }
}

/// Has the allocator merge the small blocks that were freed lately with their neighbours: to be called now and then
/// where many are freed. glibc else merges all in one go, in the middle of some later call: those of 200,000 jobs in
/// 35 ms.
pub fn merge_freed_blocks() {
    // A request of this size is what it does that at.
    std::hint::black_box(Vec::<u8>::with_capacity(LARGE_BYTES));
}

const LARGE_BYTES: usize = 64 << 10;
