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
